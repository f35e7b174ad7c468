"""Intervals over tasks and over classes: tasks that share classes share their test images.

The table's interval over tasks holds the classes and their images fixed. This one draws both again,
tasks and classes, each class with all of its test images (Owen 2007, "The pigeonhole bootstrap"):
what to expect of other tasks over other classes of the same kind. An image belongs to one class, so
tasks that share images share a class, and what they have in common is drawn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tina_kit.recipe.schema import Average
from tina_kit.report.results import Counts
from tina_kit.report.statistics import LEVEL, Array

RESAMPLES = 1000
_CELLS = 1 << 22  # of a block of resamples, which bounds the memory
Tasks = NDArray[np.int64]


def over_classes(
    evaluations: Mapping[str, Any], average: Average, base: str | None
) -> list[dict[str, Any]]:
    """For each generator and split `generator`, `split`, `ci95` and, but for the base itself,
    `vs_base` (`mean`, `ci95`), all in percent. Seeds stay as they are.

    evaluations: the content of `evaluations.json`; average: see `results.accuracies`; base: the
    generator that others are compared with, None if there is none.
    """
    rows = []
    for split in ("ood", "id"):
        tasks = [np.array(seed[split]) for seed in evaluations["tasks"].values() if split in seed]
        drawn: dict[str, tuple[float, Array]] = {}
        for name, seeds in evaluations["counts"].items():
            found: list[Counts] = list(seeds.values())
            if all(split in counts for counts in found):
                drawn[name] = _drawn([counts[split] for counts in found], tasks, average)
        for name, (mean, values) in drawn.items():
            row: dict[str, Any] = {"generator": name, "split": split, "ci95": _bounds(values)}
            if base in drawn and name != base:
                low, others = drawn[base]
                row["vs_base"] = {"mean": mean - low, "ci95": _bounds(values - others)}
            rows.append(row)
    return rows


def _drawn(seeds: Sequence[Any], tasks: Sequence[Tasks], average: Average) -> tuple[float, Array]:
    """The p-Acc, and that of each resample, float64 `(RESAMPLES,)`. The draws depend on the tasks
    alone, so that differences of generators are paired."""
    per_seed = [_of_seed(counted, rows, average) for counted, rows in zip(seeds, tasks)]
    values = np.mean([resampled for _, resampled in per_seed], axis=0)
    return float(np.mean([mean for mean, _ in per_seed])), values


def _of_seed(counted: Any, tasks: Tasks, average: Average) -> tuple[float, Array]:
    correct, total = (np.array(counted[key], dtype=float) for key in ("correct", "total"))
    if average == "classes":
        there = total > 0
        correct = np.divide(correct, total, out=np.zeros_like(total), where=there)
        total = there.astype(float)
    once = np.ones((1, *tasks.shape)), np.ones((1, len(tasks)))
    random, classes = np.random.default_rng(0), int(tasks.max()) + 1
    present = np.unique(tasks[tasks >= 0])
    block = max(1, _CELLS // tasks.size)
    parts = []
    for first in range(0, RESAMPLES, block):
        count = min(block, RESAMPLES - first)
        weights = np.zeros((count, classes + 1))  # an absent class, -1, takes the last entry
        weights[:, present] = random.multinomial(
            len(present), np.full(len(present), 1 / len(present)), count
        )
        of_tasks = random.multinomial(len(tasks), np.full(len(tasks), 1 / len(tasks)), count)
        parts.append(_mean(correct, total, weights[:, tasks], of_tasks))
    return float(_mean(correct, total, *once)[0]), np.concatenate(parts)


def _mean(correct: Array, total: Array, classes: Array, tasks: Any) -> Array:
    """float64 `(R,)`: p-Acc in percent. correct, total: `(T, C)`; classes: weights of each class of
    each task, `(R, T, C)`; tasks: weights of tasks, `(R, T)`."""
    right, of = (np.einsum("rtc,tc->rt", classes, each) for each in (correct, total))
    weights = np.where(of > 0, tasks, 0)  # a task of which no class was drawn
    shares = np.divide(right, of, out=np.zeros_like(of), where=of > 0)
    whole = weights.sum(1)
    means = np.divide(
        (shares * weights).sum(1), whole, out=np.full(len(whole), np.nan), where=whole > 0
    )
    return np.asarray(100 * means)


def _bounds(values: Array) -> list[float] | None:
    known = values[~np.isnan(values)]
    tail = (1 - LEVEL) / 2
    return np.quantile(known, [tail, 1 - tail]).tolist() if len(known) else None
