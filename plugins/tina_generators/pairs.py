"""What a step of training a Tina sees: tasks with their prompts and p-Models."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_generators.base import Selection
from tina_generators.prompts import Prompts
from tina_kit.api import Zoo


@dataclass(frozen=True)
class Drawn:
    """tasks: int64 `(B, C)`, -1 where absent; conditions: float32 `(B, C, D)`; base, vectors:
    float32 `(B, P)`, what is deviated from, None for nothing, and the p-Models, if there are any.
    """

    tasks: Tensor
    conditions: Tensor
    base: Tensor | None
    vectors: Tensor | None

    @property
    def present(self) -> Tensor:
        """bool `(B, C)`: the classes that tasks have."""
        return self.tasks >= 0

    @property
    def deviations(self) -> Tensor:
        """float32 `(B, P)`: of the p-Models from the base."""
        assert self.vectors is not None
        return self.vectors if self.base is None else self.vectors - self.base


class Pairs:
    """ID tasks to draw from. dropout: the probability that a class of a drawn task is treated as if
    it had no row, so that the base has what an unseen class would get in its place."""

    def __init__(self, zoo: Zoo, source: Prompts, base: Selection | None, dropout: float) -> None:
        self._zoo, self._source, self._base, self._dropout = zoo, source, base, dropout

    @property
    def present(self) -> Tensor:
        """bool `(T, C)`: the classes that tasks have."""
        return self._zoo.tasks >= 0

    @property
    def deviations(self) -> Tensor:
        """float32 `(T, P)`: of all p-Models from their base."""
        if self._base is None:
            return self._zoo.vectors
        return self._zoo.vectors - self._base.vectors(self._zoo.tasks)

    def draw(self, count: int, random: torch.Generator) -> Drawn:
        pick = torch.randint(len(self._zoo.tasks), (count,), generator=random)
        tasks, conditions = self._zoo.tasks[pick], self._source.draw(pick, random)
        base, lost, vectors = None, None, self._zoo.p_models
        if self._dropout:
            lost = torch.rand(tasks.shape, generator=random) < self._dropout
        if self._base is not None:
            base, conditions = self._base.start(tasks, conditions, lost)
        return Drawn(tasks, conditions, base, None if vectors is None else vectors[pick])
