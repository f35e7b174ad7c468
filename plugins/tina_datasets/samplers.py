"""How tasks are drawn from the classes of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb

import torch
from torch import Tensor

from tina_datasets.options import BalancedPermutationsOptions
from tina_kit.api import TaskSampler, UserError

_OOD, _ID = 0, 1  # each kind of task has its own stream of permutations


class BalancedPermutations(TaskSampler):
    """Each permutation of the classes is cut into tasks, so that class frequencies stay even.

    A permutation's remainder (101 classes make ten tasks of ten and one left over) goes to the
    front of the next one, so that no class falls behind. OOD tasks are drawn first and from a
    stream of their own: they stay the same when more ID tasks are asked for.
    """

    def __init__(self, options: BalancedPermutationsOptions) -> None:
        self.options = options

    def draw(self, class_names: Sequence[str], seed: int) -> dict[str, Tensor]:
        wanted, size, count = self.options, self.options.classes, len(class_names)
        if size > count:
            raise UserError(f"{size} classes a task, but the data set has only {count}")
        # Half of all sets, so that rejection of repeated sets stays cheap.
        if wanted.id + wanted.ood > max(1, comb(count, size) // 2):
            raise UserError(
                f"{wanted.id} ID and {wanted.ood} OOD tasks are too many: {count} classes have "
                f"{comb(count, size)} sets of {size}, and at most half of them can be drawn"
            )
        taken: set[frozenset[int]] = set()
        ood = _draw(wanted.ood, size, count, (seed, _OOD), taken)
        return {"id": _draw(wanted.id, size, count, (seed, _ID), taken), "ood": ood}


def _draw(
    number: int, size: int, classes: int, seed: tuple[int, int], taken: set[frozenset[int]]
) -> Tensor:
    """int64 `(number, size)`; adds the sets that it draws to `taken` and avoids those there."""
    tasks: list[list[int]] = []
    for task in _cut(size, classes, seed):
        if frozenset(task) not in taken:
            taken.add(frozenset(task))
            tasks.append(task)
        if len(tasks) == number:
            break
    return torch.tensor(tasks)


def _cut(size: int, classes: int, seed: tuple[int, int]) -> Iterator[list[int]]:
    stream = torch.Generator().manual_seed(seed[0] * 2 + seed[1])
    rest: list[int] = []
    while True:
        fresh = torch.randperm(classes, generator=stream).tolist()
        # A task holds no class twice: what would repeat the remainder goes to the end.
        order = rest + sorted(fresh, key=lambda c: c in rest)
        whole = len(order) // size * size
        yield from (order[i : i + size] for i in range(0, whole, size))
        rest = order[whole:]
