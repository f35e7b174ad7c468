"""Pairs the tasks that runs share, and what must be said where there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tina_kit.api import UserError
from tina_kit.report.comparison.differences import Difference, differences, images_key
from tina_kit.report.comparison.side import Side
from tina_kit.report.statistics import Array, Estimate, holm, mean_estimate, p_of_zero

SPLITS = ("ood", "id")


@dataclass(frozen=True)
class Pair:
    """The difference `second` - `first` in p-Acc, in points, on the tasks that both share.

    first, second: labels; rows: the generator of each; means: of each on these tasks, in percent;
    estimate: of the difference; p: of no difference, NaN if it was not tested; p_holm: the same
    corrected for all comparisons on tasks of the same split; values: of each shared seed the
    difference in each task, float64 `(T,)`; same: whether both are equal in every task, as where
    both took one result from the store.
    """

    first: str
    second: str
    rows: tuple[str, str]
    split: str
    means: tuple[float, float]
    estimate: Estimate
    p: float
    values: tuple[Array, ...]
    same: bool
    p_holm: float = math.nan

    @property
    def tasks(self) -> int:
        return sum(map(len, self.values))

    @property
    def seeds(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Compared:
    """sides: the runs, the first of which the others are compared with; pairs: see `Pair`; remarks:
    what a reader must know, such as why there are no pairs."""

    sides: Sequence[Side]
    pairs: Sequence[Pair]
    remarks: Sequence[str]

    @cached_property
    def differences(self) -> list[Difference]:
        """What differs besides the results, by kind."""
        runs = self.runs
        return differences(
            {label: side.recipe for label, side in runs.items()},
            {label: side.record for label, side in runs.items()},
        )

    @cached_property
    def runs(self) -> dict[str, Side]:
        """Each run once, by its labels (`A, B` if two of its generators are compared)."""
        folders: dict[str, list[Side]] = {}
        for side in self.sides:
            folders.setdefault(side.folder, []).append(side)
        return {", ".join(s.label for s in some): some[0] for some in folders.values()}

    @property
    def tested(self) -> dict[str, int]:
        """For each split the number of comparisons that Holm's correction is for."""
        numbers = {
            split: sum(pair.split == split and not math.isnan(pair.p) for pair in self.pairs)
            for split in SPLITS
        }
        return {split: number for split, number in numbers.items() if number}


def compare(sides: Sequence[Side]) -> Compared:
    """Compare each run with the first. Raises UserError for a generator that a run lacks."""
    first, *others = sides
    pairs: list[Pair] = []
    remarks: list[str] = []
    if len({side.average for side in sides}) > 1:
        told = ", ".join(f"{side.label} by {side.average}" for side in sides)
        remarks.append(
            f"p-Acc is averaged differently ({told}): the tables show each run's own, the paired "
            f"differences are by {first.average}."
        )
    for other in others:
        some, why = _paired(first, other)
        pairs += some
        remarks += why
    corrected = {split: iter(holm([p.p for p in pairs if p.split == split])) for split in SPLITS}
    pairs = [replace(pair, p_holm=next(corrected[pair.split])) for pair in pairs]
    return Compared(sides, pairs, remarks)


def _paired(first: Side, other: Side) -> tuple[list[Pair], list[str]]:
    """The pairs of two runs, and what must be said of them."""
    both = f"{first.label} and {other.label}"
    if images_key(first.record) != images_key(other.record):
        return [], [
            f"{both} have different test images ({_why_other_images(first, other)}): there are no "
            "paired differences, and their tables cannot be compared number by number."
        ]
    rows = _rows(first, other)
    if not rows:
        return [], [f"{both} share no generator. Choose one of each as RUN:ROW."]
    seeds = [seed for seed in first.seeds if seed in other.seeds]
    if not seeds:
        return [], [
            f"{both} share no seed ({', '.join(first.seeds)}; {', '.join(other.seeds)}), and so no "
            "tasks: there are no paired differences."
        ]
    pairs, remarks = [], []
    for split in SPLITS:
        found = [pair for a, b in rows if (pair := _pair(first, other, (a, b), seeds, split))]
        pairs += found
        remarks += _of_tasks(first, other, found, seeds, split)
    return pairs, remarks


def _rows(first: Side, other: Side) -> list[tuple[str, str]]:
    """The generators to compare: those that the user chose, or all that have the same name."""
    if first.row is None and other.row is None:
        return [(row, row) for row in first.generators if row in other.generators]
    chosen = (first.row or other.row or "", other.row or first.row or "")
    for side, row in zip((first, other), chosen):
        if row not in side.generators:
            known = ", ".join(side.generators)
            raise UserError(f"{side.folder}: it has no generator '{row}'; it has {known}")
    return [chosen]


def _pair(
    first: Side, other: Side, rows: tuple[str, str], seeds: Sequence[str], split: str
) -> Pair | None:
    values: list[tuple[Array, Array]] = []
    for seed in seeds:
        left = first.measured(rows[0], seed, split, first.average)
        right = other.measured(rows[1], seed, split, first.average)
        if shared := [task for task in left if task in right]:
            both = ([side[task] for task in shared] for side in (left, right))
            values.append((np.array(next(both)), np.array(next(both))))
    if not values:
        return None
    gains = tuple(b - a for a, b in values)
    same = not any(gain.any() for gain in gains)
    return Pair(
        first.label,
        other.label,
        rows,
        split,
        (mean_estimate([a for a, _ in values]).mean, mean_estimate([b for _, b in values]).mean),
        mean_estimate(gains),
        math.nan if same else p_of_zero(gains),
        gains,
        same,
    )


def _of_tasks(
    first: Side, other: Side, pairs: Sequence[Pair], seeds: Sequence[str], split: str
) -> list[str]:
    """What must be said of the tasks of a split that both runs have."""
    most = []
    for side in (first, other):
        drawn = [side.evaluations["tasks"][seed].get(split, ()) for seed in seeds]
        most.append(sum(map(len, drawn)))
    if not all(most):
        return []
    what = f"{first.label} and {other.label}"
    if not pairs:
        return [
            f"{what} share no {split.upper()} tasks (the same classes in the same order, with the "
            "same seed): there are no paired differences on these."
        ]
    shared = max(pair.tasks for pair in pairs)
    if shared == max(most):
        return []
    return [f"{what} share {shared} of their {most[0]} and {most[1]} {split.upper()} tasks."]


def _why_other_images(first: Side, other: Side) -> str:
    """The settings of the data that differ, or that its content does."""
    labels = (first.label, other.label)
    found = differences(
        dict(zip(labels, (first.recipe, other.recipe))),
        dict(zip(labels, (first.record, other.record))),
    )
    keys = [
        ": ".join([each.key, ", ".join(each.cells(labels)[1:])])
        for each in found
        if each.kind == "recipe" and each.key.startswith(("dataset.", "evaluation.on"))
    ]
    return "; ".join(keys) or "the content of the data set differs"
