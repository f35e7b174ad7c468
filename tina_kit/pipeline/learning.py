"""The training images, which a generator may learn from besides the zoo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Step
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.training import summed_loss


@dataclass(frozen=True)
class TrainingImages:
    """The `Learning` of a run.

    data: the training images; mirrored: the same with their mirror images, made on first use.
    tune: (start, tasks, epochs) → fine-tuned vectors; further: (start, epochs) → the generic
    model's vector after more training; zoo_epochs: see `Learning`.
    """

    data: TaskData
    mirrored: Callable[[], TaskData]
    tune: Callable[[Tensor, Tensor, float], Tensor]
    further: Callable[[Tensor, float], Tensor]
    zoo_epochs: float

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """`size` random images of each task, every image of its classes equally likely."""
        index, targets = _draw(self.data, tasks, size, random)
        return self.data.inputs(index), targets

    def loss(
        self,
        vectors: Tensor,
        tasks: Tensor,
        size: int,
        random: torch.Generator,
        flip: bool = False,
        step: Step | None = None,
    ) -> Tensor:
        data = self.mirrored() if flip else self.data
        drawn = (tasks, *_draw(data, tasks, size, random))
        tasks, index, targets = map(step.share, drawn) if step else drawn
        return summed_loss(data, vectors, tasks, index, targets) / len(tasks)

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        return self.tune(start, tasks, epochs)

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        return self.further(start, epochs)


def _draw(
    data: TaskData, tasks: Tensor, size: int, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """int64 `(M, size)` images of each task and their targets."""
    uniform = torch.rand(len(tasks), size, generator=random)
    return data.by_class.pick_of_tasks(tasks, uniform)
