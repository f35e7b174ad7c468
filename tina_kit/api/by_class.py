"""Items grouped by class, such as images, and random draws from each class."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor


class ByClass:
    """Items grouped by class; classes may differ in size.

    labels: int64 `(L,)`, the class of each item; classes: the minimum number of classes.
    selected: int64 `(N,)`, the items to use, in this order within a class; by default all of them.

    items: int64 `(N,)`, indices into `labels`, grouped by class.
    counts: int64 `(K,)`, the number of items per class; starts: int64 `(K,)`, the index in `items`
    of each class's first one.
    """

    def __init__(self, labels: Tensor, classes: int = 0, selected: Tensor | None = None) -> None:
        if selected is None:
            selected = torch.arange(len(labels))
        self.items = selected[labels[selected].argsort(stable=True)]
        self.counts = torch.bincount(labels[self.items], minlength=classes)
        self.starts = self.counts.cumsum(0) - self.counts

    @cached_property
    def pools(self) -> tuple[Tensor, ...]:
        """The items of each class, int64 `(n,)`."""
        return torch.split(self.items, self.counts.tolist())

    def take(self, classes: Tensor, places: Tensor) -> Tensor:
        """int64 `(...)` classes and positions, broadcast → int64 `(...)`: the items found there.

        places: positions within the class, counted from 0; they wrap around at its end. For a class
        without items, and for -1 (no class), the result is an arbitrary item.
        """
        within = places % self.counts[classes].clamp(min=1)
        return self.items[(self.starts[classes] + within).clamp(max=len(self.items) - 1)]

    def places(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """int64 `(...)` classes, float `(...)` random numbers in [0, 1) → int64 `(...)`: random
        positions within these classes."""
        return _below(self.counts[classes], uniform)

    def pick(self, classes: Tensor, uniform: Tensor) -> Tensor:
        """int64 `(...)` classes, float `(...)` random numbers in [0, 1) → int64 `(...)`: a random
        item of each class."""
        return self.take(classes, self.places(classes, uniform))

    def pick_of_tasks(self, tasks: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """int64 `(M, C)` classes of tasks (-1 for none), float `(M, S)` random numbers in [0, 1) →
        int64 `(M, S)` items, all items of a task equally likely, and int64 `(M, S)` in [0, C), the
        position of each item's class in the task.

        Raises RuntimeError for a task without items.
        """
        counts = torch.where(tasks < 0, 0, self.counts[tasks])
        ends = counts.cumsum(1)
        drawn = _below(ends[:, -1:], uniform)
        targets = torch.searchsorted(ends, drawn, right=True)
        within = drawn - (ends - counts).gather(1, targets)
        return self.take(tasks.gather(1, targets), within), targets


def _below(counts: Tensor, uniform: Tensor) -> Tensor:
    """Random integers in [0, counts), 0 where the count is 0."""
    # A product with a large count can round up to the count itself.
    return torch.minimum((uniform * counts).long(), counts - 1).clamp(min=0)
