"""Tasks with classes that nothing trained has seen (Table 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from math import comb

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_datasets.options import UnseenClassesOptions
from tina_datasets.samplers import check_enough, cut, first_new, seeded, sizes_of
from tina_kit.api import Classes, Conditioner, TaskSampler, UserError

_COIN, _OOD, _ID, _TESTS = 0, 1, 2, 3  # the shares' streams follow, three for each
_STREAMS = 512


class UnseenClasses(TaskSampler):
    """The classes are cut into two shards; ID and OOD tasks hold classes of the first only, and
    of the test splits `"unseen 40%"` has 40% of each task's classes from the second.

    Similar classes are separated: the two remaining classes whose names are most similar (by the
    cosine of their embeddings by `similarity`) form a pair, repeatedly, and a seeded coin decides
    which of a pair goes to which shard. If the shards differ in size, the classes without a partner
    go to the larger one.

    OOD and test tasks are drawn before ID tasks and from their own random streams, so they do not
    depend on the number of ID tasks.
    """

    options: UnseenClassesOptions

    def __init__(self, options: UnseenClassesOptions, similarity: Conditioner) -> None:
        self.options = options
        self.similarity = similarity
        self._known: dict[tuple[tuple[str, ...], int], tuple[list[int], list[int]]] = {}

    def seen(self, classes: Classes, seed: int) -> Tensor | None:
        if self.options.protocol == "generic-saw-all":
            return None
        return torch.tensor(self.shards(classes.names, seed)[0])

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        wanted = self.options
        seen, unseen = self.shards(classes.names, seed)
        self._check(len(seen), len(unseen))
        taken: set[frozenset[int]] = set()

        def plain(number: int, stream: int) -> Tensor:
            tasks = cut(cycle(sizes_of(wanted)), seen, seeded(seed, stream, _STREAMS))
            return first_new(tasks, number, wanted.classes, taken)

        ood = plain(wanted.ood, _OOD)
        tests = {}
        for share in wanted.shares:
            tasks = self._mixed(share, seen, unseen, seed)
            tests[f"unseen {share}%"] = first_new(tasks, wanted.tests, wanted.classes, taken)
        return {"id": plain(wanted.id, _ID), "ood": ood, **tests}

    def shards(self, names: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
        """The seen and the unseen classes, sorted. Raises UserError where a shard were empty."""
        key = (tuple(names), seed)
        if key not in self._known:
            self._known[key] = self._cut(names, seed)
        return self._known[key]

    def _cut(self, names: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
        if self.similarity.learns:
            raise UserError(
                f"similarity: {type(self.similarity).__name__} must first be trained on the data "
                "set; use a conditioner that needs no training"
            )
        seen = self.options.seen
        count = round(seen * len(names)) if seen < 1 else int(seen)
        rest = len(names) - count
        if min(count, rest) < 1:
            raise UserError(f"seen: {count} of {len(names)} classes leave a shard empty")
        random = seeded(seed, _COIN, _STREAMS)
        pairs = similar_pairs(self.similarity.embed(list(names)), min(count, rest))
        heads = torch.randint(2, (len(pairs),), generator=random).tolist()
        first = [pair[coin] for pair, coin in zip(pairs, heads)]
        second = [pair[1 - coin] for pair, coin in zip(pairs, heads)]
        larger = second if rest > count else first
        larger += sorted(set(range(len(names))) - {*first, *second})
        return sorted(first), sorted(second)

    def _check(self, seen: int, unseen: int) -> None:
        """Raise UserError unless the shards have sets enough for all splits."""
        wanted = self.options
        plain = wanted.id + wanted.ood + wanted.tests * (0 in wanted.shares)
        try:
            check_enough(wanted, seen, plain)
        except UserError as error:
            raise UserError(f"in the seen shard of {seen} classes: {error}") from None
        for share in wanted.shares:
            for size in sizes_of(wanted):
                new = unseen_of(size, share)
                sets = comb(unseen, new) * comb(seen, size - new)
                # Half of all sets, as in check_enough.
                if wanted.tests > sets // 2:
                    raise UserError(
                        f"{wanted.tests} tasks of {size} classes with {share}% unseen are too "
                        f"many: {seen} seen and {unseen} unseen classes have {sets} such sets, and "
                        "at most half of them can be drawn; change `classes`, `seen` or `shares`"
                    )

    def _mixed(
        self, share: int, seen: list[int], unseen: list[int], seed: int
    ) -> Iterator[list[int]]:
        """Tasks with `share` percent of their classes from the unseen shard, in random order."""
        sizes = sizes_of(self.options)
        new = [unseen_of(size, share) for size in sizes]
        old = [size - strange for size, strange in zip(sizes, new)]
        first = _TESTS + 3 * share
        olds = cut(cycle(old), seen, seeded(seed, first, _STREAMS))
        news = cut(cycle(new), unseen, seeded(seed, first + 1, _STREAMS))
        order = seeded(seed, first + 2, _STREAMS)
        for known, strange in zip(olds, news):
            task = known + strange
            yield [task[i] for i in torch.randperm(len(task), generator=order).tolist()]


def unseen_of(size: int, share: int) -> int:
    """How many classes of a task of `size` are `share` percent of it."""
    return round(size * share / 100)


def similar_pairs(rows: Tensor, count: int) -> list[tuple[int, int]]:
    """`count` disjoint pairs of rows of `(K, D)`, always the most similar two that are free."""
    rows = F.normalize(rows.double(), dim=1)
    # Rounded, so that the last bits of an embedding decide nothing.
    similarity = (rows @ rows.T * 1e4).round()
    lower, upper = torch.triu_indices(len(rows), len(rows), offset=1)
    order = similarity[lower, upper].argsort(descending=True, stable=True)
    free = set(range(len(rows)))
    pairs: list[tuple[int, int]] = []
    for one, other in zip(lower[order].tolist(), upper[order].tolist()):
        if len(pairs) == count:
            break
        if one in free and other in free:
            pairs.append((one, other))
            free -= {one, other}
    return pairs
