"""Evaluates many p-Models at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Architecture, Observer
from tina_kit.training import counting
from tina_kit.zoo.batches import labels_in_tasks, without_absent
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.forms import each

MODELS = 50  # p-Models per batched call; more only cost memory


@dataclass(frozen=True)
class Correct:
    """Counts of test images. correct, total: int64 `(T, C)`, for each class of each task, 0 where a
    task has fewer classes."""

    correct: Tensor
    total: Tensor


def rows_of(architecture: Architecture, size: int) -> int:
    """The number of classes C for which a parameter vector has `size` entries (which are linear in
    C). Raises ValueError if there is none."""
    two, three = (architecture.layout(classes).size for classes in (2, 3))
    classes = 2 + (size - two) // max(1, three - two)
    if architecture.layout(classes).size != size:
        raise ValueError(f"no layout of this architecture has {size} entries")
    return classes


def evaluate(
    data: TaskData,
    vectors: Tensor,
    tasks: Tensor,
    batch_size: int,
    observer: Observer | None = None,
    label: str = "evaluate",
) -> Correct:
    """Count correct predictions, the argmax over all rows of a p-Model. Rows beyond the task's
    classes are never correct, and neither are logits of -inf (no row for this class).

    data: the whole test split; vectors: float32 `(T, P)`; tasks: int64 `(T, C)`, -1 where a task
    has fewer classes.
    """
    rows = rows_of(data.architecture, vectors.shape[1])
    names = labels_in_tasks(tasks, data.class_count)
    vectors, chosen = vectors.to(data.device), [data.images_of(task) for task in tasks]

    def count(part: slice) -> Tensor:
        """int64 `(m, C)`: correct predictions of some p-Models."""
        images = _padded(chosen[part])  # (m, images), -1 where padded
        taken, some = images.clamp(min=0), vectors[part]
        batches = taken.split(batch_size, dim=1)
        logits = torch.cat([data.forward_many(some, batch, rows) for batch in batches], dim=1)
        best, answer = without_absent(logits, tasks[part]).max(-1)
        target = names[part].gather(1, data.labels[taken])
        correct = (answer.cpu() == target) & (best.cpu() > -torch.inf) & (images >= 0)
        right = torch.zeros_like(tasks[part])
        return right.scatter_add_(1, target.clamp(min=0), correct.long())

    counts = []
    with torch.inference_mode(), counting(observer or Observer(), label, len(tasks)) as advance:
        for right in each(data, len(tasks), MODELS, count):
            counts.append(right)
            advance(len(right))
    total = torch.where(tasks < 0, 0, data.by_class.counts[tasks])
    return Correct(torch.cat(counts), total)


def _padded(pools: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(pools, batch_first=True, padding_value=-1)
