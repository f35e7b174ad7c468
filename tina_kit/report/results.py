"""Computes table rows from counts of correct predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tina_kit.recipe.schema import CHANCE, LARGEST, Average
from tina_kit.report.statistics import Array, Estimate, gap_closed, mean_estimate

GENERIC, SELECTION, ORACLE = "generic", "classifier-selection", "oracle"
PLUS = "generic-plus"  # selection from a generic model that was trained for longer
SHUFFLED, GIBBERISH = "shuffled", "gibberish"
OTHER_LAYERS, MEAN_LAYERS = "other-layers", "mean-layers"
CONTROLS = {
    SHUFFLED: "shuffled prompts",
    GIBBERISH: "gibberish prompts",
    OTHER_LAYERS: "another task's layers",
    MEAN_LAYERS: "mean of all tasks' layers",
}
"""The controls of generators that read prompts, and what tables call them."""
Counted = Mapping[str, Sequence[Sequence[int]]]
"""`correct` and `total` test images of each class of each task, `(T, C)`; 0 where a task has fewer
classes."""
Counts = Mapping[str, Counted]
"""The counts of one generator and seed, by test."""
Accuracies = Mapping[str, Array]
"""p-Acc of each task in percent, for one generator and seed, by test."""
MIN_ABOVE_CHANCE = 0.05
"""Points of p-Acc by which guessing the largest class must exceed chance to get a row."""


def result_rows(
    counts: Mapping[str, Sequence[Counts]], bare: Mapping[str, str], average: Average
) -> list[dict[str, Any]]:
    """The rows of `results.json`.

    counts: generator → its counts for each seed; bare: generator → its component's name, which
    identifies what others are compared with; average: see `accuracies`.
    """
    evaluations = {
        name: [{test: accuracies(of, average) for test, of in seed.items()} for seed in seeds]
        for name, seeds in counts.items()
    }
    low, more = (_first(evaluations, bare, each) for each in (SELECTION, PLUS))
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
                row["vs_selection"] = plain(_gain(values, base))
                compared = bare[name] not in (GENERIC, SELECTION, PLUS, ORACLE)
                if high and split in high[0] and test in ("id", "ood") and compared:
                    closed = gap_closed(values, base, [seed[split] for seed in high])
                    row["gap_closed"] = plain(closed)
            if OTHER_LAYERS in seeds[0] and test == ("ood" if "ood" in seeds[0] else "id"):
                without = [seed[OTHER_LAYERS] for seed in seeds]
                lost = mean_estimate([a - b for a, b in zip(values, without)])
                row["from_prompts"] = plain(lost)
            if more and split in more[0] and name != _name_of(bare, PLUS):
                row["vs_generic_plus"] = plain(_gain(values, [seed[split] for seed in more]))
            rows.append(row)
    if rows:
        most = max(rows, key=lambda row: (row["split"] == "ood", row["tasks"]))
        tested = [seed[most["split"]] for seed in counts[most["generator"]]]
        rows += [
            _row(name, most["split"], value, most["tasks"], most["seeds"])
            for name, value in guesses(tested, average).items()
        ]
    return rows


def accuracies(counted: Counted, average: Average) -> Array:
    """float64 `(T,)`: p-Acc of each task in percent.

    average: "images", the accuracy over a task's images; "classes", the mean of the accuracies
    within classes. Classes without images do not count.
    """
    correct, total = (np.array(counted[key], dtype=float) for key in ("correct", "total"))
    if average == "images":
        return np.asarray(100 * correct.sum(1) / total.sum(1))
    shares = np.divide(correct, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(100 * shares.sum(1) / (total > 0).sum(1))


def guesses(seeds: Sequence[Counted], average: Average) -> dict[str, Estimate]:
    """The p-Acc of guessing in percent, by name: a random class, and each task's largest class if
    that is better."""
    totals = [np.array(counted["total"], dtype=float) for counted in seeds]
    chance = float(np.mean([(100 / (total > 0).sum(1)).mean() for total in totals]))
    found = {CHANCE: Estimate(chance, chance, chance)}
    if average == "images":
        largest = mean_estimate([100 * total.max(1) / total.sum(1) for total in totals])
        if largest.mean > chance + MIN_ABOVE_CHANCE:
            found[LARGEST] = largest
    return found


def _gain(values: Sequence[Array], base: Sequence[Array]) -> Estimate:
    """The mean difference on the same tasks. Both: for each seed one number per task."""
    return mean_estimate([a - b for a, b in zip(values, base)])


def _row(name: str, test: str, estimate: Estimate, tasks: int, seeds: int) -> dict[str, Any]:
    row = {"generator": name, "split": test, "p_acc": plain(estimate)["mean"]}
    return {**row, "ci95": plain(estimate)["ci95"], "tasks": tasks, "seeds": seeds}


def plain(estimate: Estimate) -> dict[str, Any]:
    """`mean` and `ci95` as JSON values; NaN becomes None."""
    bounds = [estimate.low, estimate.high]
    return {
        "mean": number(estimate.mean),
        "ci95": None if any(math.isnan(bound) for bound in bounds) else bounds,
    }


def number(value: float) -> float | None:
    """A JSON value; NaN becomes None."""
    return None if math.isnan(value) else value


def _name_of(bare: Mapping[str, str], component: str) -> str | None:
    return next((name for name, known in bare.items() if known == component), None)


def _first(
    evaluations: Mapping[str, Sequence[Accuracies]], bare: Mapping[str, str], component: str
) -> Sequence[Accuracies] | None:
    name = _name_of(bare, component)
    return evaluations[name] if name is not None else None
