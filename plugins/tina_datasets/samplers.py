"""How tasks are drawn from the classes of a data set, and what the samplers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle
from math import ceil, comb

import torch
from torch import Tensor

from tina_datasets.options import BalancedPermutationsOptions
from tina_kit.api import Classes, TaskOptions, TaskSampler, UserError

_OOD, _ID = 0, 1  # each split has its own stream of permutations
ABSENT = -1  # pads tasks with fewer classes than the longest


class BalancedPermutations(TaskSampler):
    """Cuts random permutations of the classes into tasks, so that class frequencies stay even.

    The remainder of a permutation (101 classes make ten tasks of ten, and one class is left) goes
    to the front of the next one. OOD tasks are drawn first and from their own random stream, so
    they do not depend on the number of ID tasks.
    """

    def __init__(self, options: BalancedPermutationsOptions) -> None:
        self.options = options

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        wanted, count = self.options, len(classes.names)
        check_enough(wanted, count, wanted.id + wanted.ood)
        taken: set[frozenset[int]] = set()
        drawn = {}
        for split, number, stream in (("ood", wanted.ood, _OOD), ("id", wanted.id, _ID)):
            tasks = cut(cycle(sizes_of(wanted)), list(range(count)), seeded(seed, stream))
            drawn[split] = first_new(tasks, number, wanted.classes, taken)
        return {"id": drawn["id"], "ood": drawn["ood"]}


def seeded(seed: int, stream: int, streams: int = 2) -> torch.Generator:
    """The random numbers of one of a sampler's streams."""
    return torch.Generator().manual_seed(seed * streams + stream)


def sizes_of(options: TaskOptions) -> range:
    """The possible numbers of classes per task. Raises UserError if there are none."""
    sizes = range(options.smallest or options.classes, options.classes + 1)
    if not sizes:
        raise UserError(f"smallest ({options.smallest}) exceeds classes ({options.classes})")
    return sizes


def check_enough(options: TaskOptions, count: int, tasks: int) -> None:
    """Raise UserError unless `count` classes have enough subsets for `tasks` tasks."""
    sizes = sizes_of(options)
    if options.classes > count:
        raise UserError(f"{options.classes} classes per task, but the data set has only {count}")
    for size in sizes:
        # Half of all sets, so that rejection of repeated sets stays cheap.
        if ceil(tasks / len(sizes)) > max(1, comb(count, size) // 2):
            raise UserError(
                f"{options.id} ID and {options.ood} OOD tasks are too many: {count} classes have "
                f"{comb(count, size)} subsets of {size}, and at most half of them can be drawn"
            )


def first_new(
    tasks: Iterable[list[int]], number: int, longest: int, taken: set[frozenset[int]]
) -> Tensor:
    """The first `number` tasks whose sets are not in `taken`, which they are added to.

    int64 `(number, longest)`, padded with -1.
    """
    kept: list[list[int]] = []
    for task in tasks:
        if frozenset(task) not in taken:
            taken.add(frozenset(task))
            kept.append(padded(task, longest))
        if len(kept) == number:
            break
    return torch.tensor(kept)


def padded(task: list[int], longest: int) -> list[int]:
    return task + [ABSENT] * (longest - len(task))


def cut(sizes: Iterable[int], classes: list[int], random: torch.Generator) -> Iterator[list[int]]:
    """One list of distinct classes for each size, cut from permutations of `classes`."""
    order: list[int] = []
    for size in sizes:
        if len(order) < size:
            rest = order
            fresh = [classes[i] for i in torch.randperm(len(classes), generator=random).tolist()]
            # A task holds no class twice: what would repeat the remainder goes to the end.
            order = rest + sorted(fresh, key=lambda c: c in rest)
        yield order[:size]
        order = order[size:]
