"""From conditions to p-Models, by a generator that is ready."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_kit.api import Generator, Request, TinaKitError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.training import derived_seed

TASKS = 64  # asked for side by side, so that a generator need not mind its memory


def generate(
    experiment: Experiment,
    generator: Generator,
    conditions: Tensor,
    tasks: Tensor | None,
    label: str = "generate",
) -> Tensor:
    """float32 `(T, C, D)`, int64 `(T, C)` or None → float32 `(T, P')`.

    Raises TinaKitError where the generator gives no numbers.
    """
    seed = derived_seed(experiment.seed, "generate")
    made = []
    with experiment.progress(label, len(conditions), 0) as advance:
        for first in range(0, len(conditions), TASKS):
            part = slice(first, first + TASKS)
            some = None if tasks is None else tasks[part]
            made.append(generator.generate(Request(conditions[part], some, seed)))
            advance(len(made[-1]))
    vectors = torch.cat(made)
    if vectors.isnan().any():
        raise TinaKitError(f"{label}: the generator gave p-Models that are not numbers (NaN)")
    return vectors
