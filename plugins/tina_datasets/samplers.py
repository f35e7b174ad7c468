"""How tasks are drawn from the classes of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle
from math import ceil, comb

import torch
from torch import Tensor

from tina_datasets.options import BalancedPermutationsOptions
from tina_kit.api import Classes, TaskOptions, TaskSampler, UserError

_OOD, _ID = 0, 1  # each kind of task has its own stream of permutations
ABSENT = -1  # fills a task of fewer classes than the longest


class BalancedPermutations(TaskSampler):
    """Each permutation of the classes is cut into tasks, so that class frequencies stay even.

    A permutation's remainder (101 classes make ten tasks of ten and one left over) goes to the
    front of the next one, so that no class falls behind. OOD tasks are drawn first and from a
    stream of their own: they stay the same when more ID tasks are asked for.
    """

    def __init__(self, options: BalancedPermutationsOptions) -> None:
        self.options = options

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        wanted, count = self.options, len(classes.names)
        check_enough(wanted, count)
        taken: set[frozenset[int]] = set()
        ood = draw_tasks(wanted.ood, wanted, range(count), (seed, _OOD), taken)
        return {"id": draw_tasks(wanted.id, wanted, range(count), (seed, _ID), taken), "ood": ood}


def sizes_of(options: TaskOptions) -> range:
    """How many classes a task may have."""
    return range(options.smallest or options.classes, options.classes + 1)


def check_enough(options: TaskOptions, count: int) -> None:
    """Raise UserError unless `count` classes have sets enough for all tasks."""
    sizes = sizes_of(options)
    if not sizes:
        raise UserError(f"smallest ({options.smallest}) is more than classes ({options.classes})")
    if options.classes > count:
        raise UserError(f"{options.classes} classes a task, but the data set has only {count}")
    wanted = ceil((options.id + options.ood) / len(sizes))
    for size in sizes:
        # Half of all sets, so that rejection of repeated sets stays cheap.
        if wanted > max(1, comb(count, size) // 2):
            raise UserError(
                f"{options.id} ID and {options.ood} OOD tasks are too many: {count} classes have "
                f"{comb(count, size)} sets of {size}, and at most half of them can be drawn"
            )


def draw_tasks(
    number: int,
    options: TaskOptions,
    classes: Iterable[int],
    seed: tuple[int, int],
    taken: set[frozenset[int]],
) -> Tensor:
    """int64 `(number, C)`; adds the sets that it draws to `taken` and avoids those there."""
    tasks: list[list[int]] = []
    for task in _cut(cycle(sizes_of(options)), list(classes), seed):
        if frozenset(task) not in taken:
            taken.add(frozenset(task))
            tasks.append(task + [ABSENT] * (options.classes - len(task)))
        if len(tasks) == number:
            break
    return torch.tensor(tasks)


def _cut(sizes: Iterable[int], classes: list[int], seed: tuple[int, int]) -> Iterator[list[int]]:
    stream = torch.Generator().manual_seed(seed[0] * 2 + seed[1])
    order: list[int] = []
    for size in sizes:
        if len(order) < size:
            rest = order
            fresh = [classes[i] for i in torch.randperm(len(classes), generator=stream).tolist()]
            # A task holds no class twice: what would repeat the remainder goes to the end.
            order = rest + sorted(fresh, key=lambda c: c in rest)
        yield order[:size]
        order = order[size:]
