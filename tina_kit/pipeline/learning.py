"""The training images, which a generator may learn from besides the zoo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.zoo.data import TaskData
from tina_kit.zoo.training import summed_loss


@dataclass(frozen=True)
class TrainingImages:
    """The `Learning` of a run.

    tune: (start, tasks, epochs) → fine-tuned vectors; further: (start, epochs) → the generic
    model's vector after more training; zoo_epochs: see `Learning`.
    """

    data: TaskData
    tune: Callable[[Tensor, Tensor, float], Tensor]
    further: Callable[[Tensor, float], Tensor]
    zoo_epochs: float

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """`size` random images of each task, every image of its classes equally likely."""
        index, targets = self._draw(tasks, size, random)
        return self.data.inputs(index), targets

    def loss(self, vectors: Tensor, tasks: Tensor, size: int, random: torch.Generator) -> Tensor:
        drawn = self._draw(tasks, size, random)
        return summed_loss(self.data, vectors, tasks, *drawn) / len(tasks)

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        return self.tune(start, tasks, epochs)

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        return self.further(start, epochs)

    def _draw(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """int64 `(M, size)` images of each task and their targets."""
        uniform = torch.rand(len(tasks), size, generator=random)
        return self.data.by_class.pick_of_tasks(tasks, uniform)
