"""What a generated p-Model deviates from: nothing but the zoo's mean, or classifier selection."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tina_kit.api import Context, Layout

ALIKE = 0.01
"""Distance of two conditions, as a share of their length, below which they are of one class. The
same prompt, embedded in another batch, differs by rounding errors."""


class Selection:
    """Classifier selection as the base of generated p-Models: the generic model with the rows of a
    task's classes, the mean row for a class that has none of its own.

    classes: int64 `(N,)`, classes with a row, and known: float32 `(N, D)`, their conditions, by
    which the prompts of a request are recognised.
    """

    def __init__(self, context: Context, classes: Tensor, known: Tensor) -> None:
        self.classes, self.known = classes, known
        self._generic = context.generic
        self._layout: Layout = context.architecture.layout(len(context.generic_classes))
        self._row = torch.full((context.class_count + 1,), -1)
        self._row[context.generic_classes] = torch.arange(len(context.generic_classes))

    @classmethod
    def of_tasks(cls, context: Context, tasks: Tensor, conditions: Tensor) -> Selection:
        """tasks: int64 `(T, C)`, -1 where absent; conditions: float32 `(T, C, D)`."""
        there = torch.isin(tasks, context.generic_classes)
        classes, first = _first_places(tasks[there])
        return cls(context, classes, conditions[there][first])

    @classmethod
    def from_tensors(cls, context: Context, tensors: Mapping[str, Tensor]) -> Selection:
        return cls(context, tensors["classes"], tensors["known"])

    def tensors(self) -> dict[str, Tensor]:
        """For `save`, and back with `from_tensors`."""
        return {"classes": self.classes, "known": self.known}

    def vectors(self, tasks: Tensor) -> Tensor:
        """int64 `(B, C)`, -1 for a class without a row → float32 `(B, P)`."""
        generic = self._generic.expand(len(tasks), -1)
        return self._layout.take_classes_or_mean(generic, self._row[tasks])

    def recognised(self, conditions: Tensor) -> Tensor:
        """float32 `(B, C, D)` → int64 `(B, C)`: the class of each prompt, -1 for an unknown one."""
        distance, nearest = torch.cdist(
            conditions.flatten(0, 1), self.known, compute_mode="donot_use_mm_for_euclid_dist"
        ).min(-1)
        same = distance <= ALIKE * self.known[nearest].norm(dim=-1)
        return torch.where(same, self.classes[nearest], -1).view(conditions.shape[:2])


def _first_places(classes: Tensor) -> tuple[Tensor, Tensor]:
    """int64 `(N,)` → the distinct classes, and where each occurs first."""
    found, inverse = classes.unique(return_inverse=True)
    places = torch.arange(len(classes))
    first = torch.full_like(found, len(classes)).scatter_reduce_(0, inverse, places, "amin")
    return found, first
