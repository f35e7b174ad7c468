"""From counted answers to the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tina_kit.report.statistics import Array, Estimate, gap_closed, mean_estimate

GENERIC, SELECTION, ORACLE = "generic", "classifier-selection", "oracle"
SHUFFLED, GIBBERISH = "shuffled", "gibberish"  # controls of generators that read prompts
CHANCE, LARGEST = "chance", "largest class"
Counted = Mapping[str, Sequence[Sequence[int]]]
"""`correct` and `total` images of every task's classes, 0 where a task has fewer."""
Counts = Mapping[str, Counted]
"""Of one generator and seed, by test."""
Accuracies = Mapping[str, Array]
"""Of one generator and seed: test → p-Acc of every task, in percent."""
UNEQUAL = 0.05
"""What answering with the largest class gains on chance, in percent, where that is worth a row."""


def result_rows(
    counts: Mapping[str, Sequence[Counts]], bare: Mapping[str, str], chance: float, average: str
) -> list[dict[str, Any]]:
    """The rows of `results.json`.

    counts: generator's name → those of each seed; bare: its name → its component's, by which
    selection and oracle are known; chance: in percent; average: see `accuracies`.
    """
    evaluations = {
        name: [{test: accuracies(of, average) for test, of in seed.items()} for seed in seeds]
        for name, seeds in counts.items()
    }
    low = _first(evaluations, bare, SELECTION)
    high = _first(evaluations, bare, ORACLE)
    rows = []
    for name, seeds in evaluations.items():
        for test in seeds[0]:
            values = [seed[test] for seed in seeds]
            row = _row(name, test, mean_estimate(values), len(values[0]), len(values))
            # Controls are measured on the OOD tasks.
            split = "id" if test == "id" or "ood" not in seeds[0] else "ood"
            if low and split in low[0] and name != _name_of(bare, SELECTION):
                base = [seed[split] for seed in low]
                gain = mean_estimate([a - b for a, b in zip(values, base)])
                row["vs_selection"] = plain(gain)
                compared = bare[name] not in (GENERIC, SELECTION, ORACLE)
                if high and split in high[0] and test in ("id", "ood") and compared:
                    closed = gap_closed(values, base, [seed[split] for seed in high])
                    row["gap_closed"] = plain(closed)
            rows.append(row)
    if rows:
        most = max(rows, key=lambda row: (row["split"] == "ood", row["tasks"]))
        size = most["tasks"], most["seeds"]
        rows.append(_row(CHANCE, "ood", Estimate(chance, chance, chance), *size))
        tested = [seed[most["split"]] for seed in counts[most["generator"]]]
        largest = mean_estimate([largest_class(counted, average) for counted in tested])
        if largest.mean > chance + UNEQUAL:
            rows.append(_row(LARGEST, "ood", largest, *size))
    return rows


def accuracies(counted: Counted, average: str) -> Array:
    """float64 `(T,)`: p-Acc of every task in percent.

    average: "images", the share of a task's images that are recognised; "classes", the mean of the
    classes' shares. A class without images does not count.
    """
    correct, total = (np.array(counted[key], dtype=float) for key in ("correct", "total"))
    if average == "images":
        return np.asarray(100 * correct.sum(1) / total.sum(1))
    shares = np.divide(correct, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(100 * shares.sum(1) / (total > 0).sum(1))


def largest_class(counted: Counted, average: str) -> Array:
    """float64 `(T,)`: p-Acc in percent of always answering with each task's largest class."""
    right = np.zeros_like(counted["total"])
    for task, sizes in enumerate(counted["total"]):
        right[task, np.argmax(sizes)] = max(sizes)
    return accuracies({"correct": right.tolist(), "total": counted["total"]}, average)


def _row(name: str, test: str, estimate: Estimate, tasks: int, seeds: int) -> dict[str, Any]:
    row = {"generator": name, "split": test, "p_acc": plain(estimate)["mean"]}
    return {**row, "ci95": plain(estimate)["ci95"], "tasks": tasks, "seeds": seeds}


def plain(estimate: Estimate) -> dict[str, Any]:
    """`mean` and `ci95`, for JSON, which knows no NaN."""
    bounds = [estimate.low, estimate.high]
    return {
        "mean": None if math.isnan(estimate.mean) else estimate.mean,
        "ci95": None if any(math.isnan(bound) for bound in bounds) else bounds,
    }


def _name_of(bare: Mapping[str, str], component: str) -> str | None:
    return next((name for name, known in bare.items() if known == component), None)


def _first(
    evaluations: Mapping[str, Sequence[Accuracies]], bare: Mapping[str, str], component: str
) -> Sequence[Accuracies] | None:
    name = _name_of(bare, component)
    return evaluations[name] if name is not None else None
