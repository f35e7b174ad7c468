"""What a generated p-Model deviates from: nothing but the zoo's mean, or classifier selection."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from tina_generators.mixtures import Mixtures
from tina_kit.api import Context, Layout

ALIKE = 0.01
"""Distance of two conditions, as a share of their length, below which they are of one class. The
same prompt, embedded in another batch, differs by rounding errors."""


class Selection:
    """Classifier selection as the base of generated p-Models: the generic model with the rows of a
    task's classes. A class that has no row gets the mean row or, if `ridge`, a mixture of the other
    rows that its prompt is most like (`Mixtures`).

    classes: int64 `(N,)`, classes with a row, and known: float32 `(N, D)`, their conditions, by
    which the prompts of a request are recognised.
    """

    def __init__(
        self, context: Context, classes: Tensor, known: Tensor, ridge: bool = False
    ) -> None:
        self.classes, self.known, self.ridge = classes, known, ridge
        self._generic, self._architecture = context.generic, context.architecture
        self._layout: Layout = context.architecture.layout(len(context.generic_classes))
        self._row = torch.full((context.class_count + 1,), -1)
        self._row[context.generic_classes] = torch.arange(len(context.generic_classes))
        self._place = torch.full((context.class_count + 1,), -1)
        self._place[classes] = torch.arange(len(classes))

    @classmethod
    def of_tasks(
        cls, context: Context, tasks: Tensor, conditions: Tensor, ridge: bool = False
    ) -> Selection:
        """tasks: int64 `(T, C)`, -1 where absent; conditions: float32 `(T, C, D)`."""
        there = torch.isin(tasks, context.generic_classes)
        classes, first = _first_places(tasks[there])
        return cls(context, classes, conditions[there][first], ridge)

    @classmethod
    def from_tensors(
        cls, context: Context, tensors: Mapping[str, Tensor], ridge: bool = False
    ) -> Selection:
        return cls(context, tensors["classes"], tensors["known"], ridge)

    def tensors(self) -> dict[str, Tensor]:
        """For `save`, and back with `from_tensors`."""
        return {"classes": self.classes, "known": self.known}

    def start(
        self, tasks: Tensor, conditions: Tensor, lost: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Base vectors, float32 `(B, P)`, and conditions, float32 `(B, C, D)`: those given or,
        where a class without a row is a mixture of others, the same mixture of theirs.

        tasks: int64 `(B, C)`, the class of each prompt, -1 for an unknown one; conditions: float32
        `(B, C, D)`; lost: bool `(B, C)`, classes that are treated as if they had no row.
        """
        known = tasks if lost is None else tasks.masked_fill(lost, -1)
        vectors = self.vectors(known)
        if not self.ridge:
            return vectors, conditions
        weights = self._weights(tasks, conditions, lost)
        places = _entries_by_class(self._architecture.layout(tasks.shape[1]))  # (C, W)
        mixed = torch.where((known < 0)[..., None], weights @ self._rows, vectors[:, places])
        vectors[:, places] = mixed
        return vectors, weights @ self.known

    def vectors(self, tasks: Tensor) -> Tensor:
        """int64 `(B, C)`, -1 for a class without a row → float32 `(B, P)` with the mean row for
        each of those."""
        generic = self._generic.expand(len(tasks), -1)
        return self._layout.take_classes_or_mean(generic, self._row[tasks])

    def _weights(self, tasks: Tensor, conditions: Tensor, lost: Tensor | None) -> Tensor:
        """float32 `(B, C, N)`: what each prompt is made of, of the known classes."""
        own = self._place[tasks]
        weights = torch.eye(len(self.classes))[own]
        weights[own < 0] = self._mixed.of(conditions[own < 0])
        if lost is not None:
            lost = lost & (own >= 0)
            weights[lost] = self._mixed.without_itself[own[lost]]
        return weights

    @cached_property
    def _mixed(self) -> Mixtures:
        return Mixtures(self.known, self._rows)

    @cached_property
    def _rows(self) -> Tensor:
        """float32 `(N, W)`: the entries of the known classes' rows."""
        return self._generic[_entries_by_class(self._layout)[self._row[self.classes]]]

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


def _entries_by_class(layout: Layout) -> Tensor:
    """int64 `(C, W)`: where a vector holds each class's row."""
    owner = layout.class_of_entries()
    return owner.argsort(stable=True)[(owner < 0).sum() :].view(layout.classes or 0, -1)
