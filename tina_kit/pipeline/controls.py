"""Controls: what a generator's p-Models are worth without the right prompts.

The first two change the prompts, the others the p-Models that were generated from the right ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tina_kit.api import Layout
from tina_kit.report.results import GIBBERISH, MEAN_LAYERS, OTHER_LAYERS, SHUFFLED
from tina_kit.training import generator_for


def shuffled(conditions: Tensor, tasks: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: the right prompts in a random order, so that the expected p-Acc is chance.
    Absent classes stay where they are."""
    random = generator_for(seed, SHUFFLED)
    # Absent classes are last, since they draw a number above all others.
    draw = torch.rand(tasks.shape, generator=random) + (tasks < 0) * 2
    return conditions.gather(1, draw.argsort(1)[..., None].expand_as(conditions))


def gibberish(rows: Tensor, tasks: Tensor, padding: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: meaningless prompts, no two alike in a task as long as there are enough."""
    random = generator_for(seed, GIBBERISH)
    order = torch.rand(len(tasks), len(rows), generator=random).argsort(1)
    drawn = rows[order[:, torch.arange(tasks.shape[1]) % len(rows)]]
    return torch.where(tasks[..., None] < 0, padding, drawn)


def divisible(layout: Layout, tasks: int) -> bool:
    """Whether the p-Models of so many tasks can exchange their shared layers and keep their rows:
    both are generated, and there is another task."""
    axes = [parameter.class_axis is None for parameter in layout.parameters]
    return tasks > 1 and any(axes) and not all(axes)


def other_layers(vectors: Tensor, shared: Tensor, seed: int) -> Tensor:
    """float32 `(T, P)`: each p-Model's own rows with the shared layers of another task.

    vectors: float32 `(T, P)`, T > 1; shared: bool `(P,)`, the entries that no class owns.
    """
    order = torch.randperm(len(vectors), generator=generator_for(seed, OTHER_LAYERS))
    # Each takes from the next one in a random circle, so that none keeps its own.
    source = torch.empty_like(order)
    source[order] = order.roll(-1)
    return torch.where(shared, vectors[source], vectors)


def mean_layers(vectors: Tensor, shared: Tensor, seed: int) -> Tensor:
    """float32 `(T, P)`: each p-Model's own rows with the mean of all tasks' shared layers, which
    know of no task. Arguments as of `other_layers`; nothing is drawn."""
    return torch.where(shared, vectors.mean(0), vectors)


OF_LAYERS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    OTHER_LAYERS: other_layers,
    MEAN_LAYERS: mean_layers,
}
"""The controls that exchange shared layers, by name."""
