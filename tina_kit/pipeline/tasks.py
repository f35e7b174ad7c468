"""The tasks of a recipe for one seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor

from tina_kit.api import Classes, TaskSampler, UserError
from tina_kit.recipe import Recipe

VALIDATION = 2**30  # added to the seed of validation tasks; above every seed


class TaskDraws:
    """What the recipe's task sampler draws from the data set's classes."""

    def __init__(self, recipe: Recipe, classes: Classes, seed: int) -> None:
        self.recipe = recipe
        self.classes = classes
        self.validating = recipe.core.evaluation.on == "validation"
        self.seed = seed + (VALIDATION if self.validating else 0)
        self._plain_seed = seed

    @cached_property
    def sampler(self) -> TaskSampler:
        return self.recipe.tasks.build()  # type: ignore[no-any-return]

    @cached_property
    def tasks(self) -> dict[str, Tensor]:
        """ "id", "ood" and the sampler's own test splits: int64 `(T, C)`, -1 where absent.

        Validation tasks differ from the test tasks of the same recipe and seed.
        """
        drawn = self._draw(self.sampler, self.seed)
        if not self.validating:
            return drawn
        tested = self._draw(self.sampler, self._plain_seed)
        others = torch.cat([tasks for split, tasks in tested.items() if split != "id"])
        return {
            split: tasks if split == "id" else without(tasks, others)
            for split, tasks in drawn.items()
        }

    @cached_property
    def seen(self) -> Tensor:
        """int64 `(K',)`: the classes that anything trained may see."""
        sampler = self.sampler  # (an error here already names its location)
        with self._placed("seen"):
            seen = sampler.seen(self.classes, self.seed)
        return torch.arange(len(self.classes.names)) if seen is None else seen

    def of(self, classes: int) -> Tensor:
        """OOD tasks of `classes` classes, int64 `(T, classes)`; some may be ID tasks."""
        sampler = self.recipe.tasks.built_with(classes=classes, smallest=None, id=1)
        return self._draw(sampler, self.seed)["ood"]

    def _draw(self, sampler: TaskSampler, seed: int) -> dict[str, Tensor]:
        with self._placed("classes"):
            return sampler.draw(self.classes, seed)

    @contextmanager
    def _placed(self, option: str) -> Iterator[None]:
        """Adds the place in the recipe that asks for what cannot be drawn."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.recipe.where('tasks', option)}: tasks: {error}") from error


def without(tasks: Tensor, others: Tensor) -> Tensor:
    """The tasks `(T, C)` whose classes, in any order, are not those of one of the others."""
    taken = {frozenset(task) - {-1} for task in others.tolist()}
    new = [frozenset(task) - {-1} not in taken for task in tasks.tolist()]
    return tasks[torch.tensor(new, dtype=torch.bool)]
