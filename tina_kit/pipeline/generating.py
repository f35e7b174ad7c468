"""Asking a generator for p-Models, some tasks at a time."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from tina_kit.api import Generator, Observer, Request, TinaKitError
from tina_kit.training import counting, derived_seed
from tina_kit.zoo.batches import joined

TOGETHER = 64  # tasks per request, which bounds a generator's memory


def generate(
    generator: Generator,
    conditions: Tensor,
    tasks: Tensor | None,
    observer: Observer,
    seed: int,
    label: str = "generate",
    sample: int = 0,
    together: int | None = None,
) -> Tensor:
    """float32 `(T, C, D)`, int64 `(T, C)` or None → float32 `(T, P')`.

    generator: ready; seed: the run's; sample: which of a task's p-Models, each with its own noise;
    together: tasks per request, by default TOGETHER.
    Raises TinaKitError if a result is NaN.
    """
    together = together or TOGETHER
    noise = derived_seed(seed, "generate", *([sample] if sample else []))
    with counting(observer, label, len(conditions)) as advance:

        def parts() -> Iterator[Tensor]:
            for first in range(0, len(conditions), together):
                part = slice(first, first + together)
                some = None if tasks is None else tasks[part]
                made = generator.generate(Request(conditions[part], some, noise))
                if made.isnan().any():
                    raise TinaKitError(
                        f"{label}: the generator gave p-Models that are not numbers (NaN)"
                    )
                yield made
                advance(len(made))

        return joined(parts(), len(conditions))
