"""Tasks that mix classes of the same and of different superclasses (Section 5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from tina_datasets.options import SuperclassMixOptions
from tina_datasets.samplers import padded, seeded, sizes_of
from tina_kit.api import Classes, TaskSampler, UserError

Kind = Literal["apart", "sharing", "two"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_OOD, _ID = 0, 1
_ATTEMPTS = 2000  # draws before a kind counts as exhausted; enough for 190 pairs of superclasses


class SuperclassMix(TaskSampler):
    """Three kinds of task, interleaved in the ratio 3:2:1. With C classes:

    - apart: C superclasses, one class of each;
    - sharing: C // 4 pairs of classes share a superclass and the others are alone: with ten
      classes, two pairs and six others, of eight superclasses in all;
    - two: two superclasses, C / 2 classes of each (with an odd C, one more of the first).

    Of the third kind there may be few: 20 superclasses of five classes have 190 such sets of ten,
    and the paper's 1,150 tasks want 192. All that exist are drawn, and the other two kinds take
    the places of the rest by turns.

    Each task takes the classes drawn least often so far, ties at random, so that frequencies stay
    even; where that set is taken, chance is given more and more weight. OOD tasks are drawn first
    and from a stream of their own: they stay the same when more ID tasks are asked for.
    """

    options: SuperclassMixOptions

    def __init__(self, options: SuperclassMixOptions) -> None:
        self.options = options

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        groups = self._groups(classes)
        taken: set[frozenset[int]] = set()
        ood = self._split(self.options.ood, groups, seeded(seed, _OOD), taken)
        return {"id": self._split(self.options.id, groups, seeded(seed, _ID), taken), "ood": ood}

    def _groups(self, classes: Classes) -> list[list[int]]:
        """The classes of each superclass. Raises UserError where they do not allow the tasks."""
        if classes.superclasses is None:
            raise UserError(
                "the data set has no superclasses, which cifar100-superclass-mix needs; use "
                "balanced-permutations"
            )
        groups: dict[int, list[int]] = {}
        for class_, superclass in enumerate(classes.superclasses):
            groups.setdefault(superclass, []).append(class_)
        found = [group for _, group in sorted(groups.items())]
        counts = sorted(map(len, found), reverse=True)
        problems = [
            f"{kind!r} tasks of {size} classes need {len(shape)} superclasses, of "
            f"{' + '.join(map(str, shape))} classes or more"
            for size in sizes_of(self.options)
            for kind in dict.fromkeys(self._turns())
            for shape in [shape_of(kind, size)]
            if len(shape) > len(counts) or any(n > m for n, m in zip(shape, counts))
        ]
        if problems:
            raise UserError(
                f"the data set has {len(counts)} superclasses of {counts[-1]} to {counts[0]} "
                f"classes, but {'; '.join(problems)}. Change `classes`, or set the kind's place "
                f"in `ratio` ({', '.join(KINDS)}) to 0"
            )
        return found

    def _turns(self) -> list[Kind]:
        """The kinds of one round of tasks, spread over it as evenly as the ratio allows."""
        places = [
            ((turn + 0.5) / share, kind)
            for kind, share in zip(KINDS, self.options.ratio)
            for turn in range(share)
        ]
        return [kind for _, kind in sorted(places, key=lambda place: place[0])]

    def _split(
        self,
        number: int,
        groups: list[list[int]],
        random: torch.Generator,
        taken: set[frozenset[int]],
    ) -> Tensor:
        """int64 `(number, C)`."""
        sizes, turns = sizes_of(self.options), self._turns()
        drawer = _Drawer(groups, random, taken)
        tasks = []
        for index in range(number):
            round_, turn = divmod(index, len(turns))
            # The round moves on both, or else a kind would have only some of the sizes, and one
            # other kind all places of an exhausted one.
            size = sizes[(turn + round_) % len(sizes)]
            shift = round_ % len(turns)
            for kind in dict.fromkeys([turns[turn], *turns[shift:], *turns[:shift]]):
                task = drawer.draw(kind, size)
                if task:
                    break
            else:
                raise UserError(
                    f"{self.options.id} ID and {self.options.ood} OOD tasks are too many: no more "
                    f"than about {len(taken)} sets of classes can be drawn"
                )
            tasks.append(padded(task, self.options.classes))
        return torch.tensor(tasks)


class _Drawer:
    """Draws the tasks of one split, and knows how often it drew each class."""

    def __init__(
        self, groups: list[list[int]], random: torch.Generator, taken: set[frozenset[int]]
    ) -> None:
        self.groups, self.random, self.taken = groups, random, taken
        self.drawn = [0] * sum(map(len, groups))
        self.exhausted: set[tuple[Kind, int]] = set()

    def draw(self, kind: Kind, size: int) -> list[int] | None:
        """A task whose set is not taken yet; None where none is found."""
        if (kind, size) in self.exhausted:
            return None
        for attempt in range(_ATTEMPTS):
            noise = torch.rand(len(self.drawn), generator=self.random).tolist()
            # At first the noise (below 1) only settles ties.
            rank = [often + (attempt + 1) * chance for often, chance in zip(self.drawn, noise)]
            task = self._lowest(shape_of(kind, size), rank)
            if frozenset(task) not in self.taken:
                self.taken.add(frozenset(task))
                for class_ in task:
                    self.drawn[class_] += 1
                return sorted(task, key=noise.__getitem__)
        self.exhausted.add((kind, size))
        return None

    def _lowest(self, shape: Sequence[int], rank: list[float]) -> list[int]:
        """The classes of lowest rank with so many of one superclass each."""
        ordered = [sorted(group, key=rank.__getitem__) for group in self.groups]
        task: list[int] = []
        for count in shape:
            fitting = [group for group in ordered if len(group) >= count]
            best = min(fitting, key=lambda group: sum(rank[c] for c in group[:count]))
            task += best[:count]
            ordered.remove(best)
        return task


def shape_of(kind: Kind, size: int) -> tuple[int, ...]:
    """How many classes a task has of each of its superclasses, the most first.

    Below four classes the kinds run together.
    """
    if kind == "apart":
        return (1,) * size
    if kind == "two":
        return (size - size // 2, size // 2)
    pairs = max(1, size // 4)
    return (2,) * pairs + (1,) * (size - 2 * pairs)
