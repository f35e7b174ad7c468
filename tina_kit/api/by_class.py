"""Items of classes of unequal sizes, such as images, and random ones of each class."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor


class ByClass:
    """Items sorted by class.

    labels: int64 `(L,)`, the class of each item; classes: at least how many classes there are.
    selected: int64 `(N,)`, which items and in what order within a class; by default all in theirs.

    items: int64 `(N,)`, indices into `labels`, those of a class side by side.
    counts: int64 `(K,)`, how many items each class has; starts: int64 `(K,)`, where they begin.
    """

    def __init__(self, labels: Tensor, classes: int = 0, selected: Tensor | None = None) -> None:
        if selected is None:
            selected = torch.arange(len(labels))
        self.items = selected[labels[selected].argsort(stable=True)]
        self.counts = torch.bincount(labels[self.items], minlength=classes)
        self.starts = self.counts.cumsum(0) - self.counts

    @cached_property
    def pools(self) -> tuple[Tensor, ...]:
        """For each class its items, int64 `(n,)`."""
        return torch.split(self.items, self.counts.tolist())

    def take(self, classes: Tensor, places: Tensor) -> Tensor:
        """int64 `(...)` classes and places, broadcast → int64 `(...)`: the items at these places.

        Places count from 0 and begin again behind a class's last item. For a class without items,
        and for -1, which stands for none, the result is an arbitrary item.
        """
        within = places % self.counts[classes].clamp(min=1)
        return self.items[(self.starts[classes] + within).clamp(max=len(self.items) - 1)]

    def places(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """int64 `(...)`, float `(...)` random numbers in [0, 1) → int64 `(...)` random places in
        these classes."""
        return _below(self.counts[classes], uniform)

    def pick(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """int64 `(...)`, float `(...)` random numbers in [0, 1) → int64 `(...)`: a random item of
        each class."""
        return self.take(classes, self.places(classes, uniform))

    def pick_of_tasks(self, tasks: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """int64 `(M, C)` classes of tasks, -1 where a task has fewer, float `(M, S)` random numbers
        in [0, 1) → int64 `(M, S)` items, every item of a task equally likely, and int64 `(M, S)`
        in [0, C), the place of their class in the task.

        Raises an error for a task without items.
        """
        counts = torch.where(tasks < 0, 0, self.counts[tasks])
        ends = counts.cumsum(1)
        drawn = _below(ends[:, -1:], uniform)
        targets = torch.searchsorted(ends, drawn, right=True)
        within = drawn - (ends - counts).gather(1, targets)
        return self.take(tasks.gather(1, targets), within), targets


def _below(counts: Tensor, uniform: Tensor) -> Tensor:
    """Whole numbers in [0, counts), 0 where that is empty."""
    # Where a count has more digits than a random number, their product may be rounded up to it.
    return torch.minimum((uniform * counts).long(), counts - 1).clamp(min=0)
