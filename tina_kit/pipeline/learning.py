"""Training images, which a generator may learn from besides the zoo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tina_kit.zoo.data import TaskData


@dataclass(frozen=True)
class TrainingImages:
    """The `Learning` of a run. tune: (start, tasks, epochs) → fine-tuned vectors."""

    data: TaskData
    tune: Callable[[Tensor, Tensor, float], Tensor]

    @cached_property
    def _order(self) -> tuple[Tensor, Tensor, Tensor]:
        """All images sorted by class; where each class begins; how many images it has."""
        counts = torch.bincount(self.data.labels, minlength=self.data.class_count)
        return torch.cat(self.data.pools), counts.cumsum(0) - counts, counts

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """`size` random images of each task, every image of its classes equally likely."""
        order, first, counts = self._order
        numbers = torch.where(tasks < 0, 0, counts[tasks])  # (M, C)
        ends = numbers.cumsum(1)
        draw = (torch.rand(len(tasks), size, generator=random) * ends[:, -1:]).long()
        targets = torch.searchsorted(ends, draw, right=True)  # (M, size)
        within = draw - (ends - numbers).gather(1, targets)
        classes = tasks.gather(1, targets)
        return self.data.inputs(order[first[classes] + within]), targets

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        return self.tune(start, tasks, epochs)
