"""From counted answers to the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tina_kit.report.statistics import Array, Estimate, gap_closed, mean_estimate

GENERIC, SELECTION, ORACLE = "generic", "classifier-selection", "oracle"
SHUFFLED, GIBBERISH = "shuffled", "gibberish"  # controls of generators that read prompts
Counts = Mapping[str, Mapping[str, Sequence[int]]]
"""Of one generator and seed: test → `correct` and `total` of every task."""


def result_rows(
    evaluations: Mapping[str, Sequence[Counts]], bare: Mapping[str, str], chance: float
) -> list[dict[str, Any]]:
    """The rows of `results.json`.

    evaluations: generator's name → counts of each seed; bare: its name → its component's, by which
    selection and oracle are known; chance: in percent.
    """
    low = _first(evaluations, bare, SELECTION)
    high = _first(evaluations, bare, ORACLE)
    rows = []
    for name, seeds in evaluations.items():
        for test in seeds[0]:
            values = accuracies(seeds, test)
            row = _row(name, test, mean_estimate(values), len(values[0]), len(values))
            # Controls are measured on the OOD tasks.
            split = "id" if test == "id" or "ood" not in seeds[0] else "ood"
            if low and split in low[0] and name != _name_of(bare, SELECTION):
                base = accuracies(low, split)
                gain = mean_estimate([a - b for a, b in zip(values, base)])
                row["vs_selection"] = plain(gain)
                compared = bare[name] not in (GENERIC, SELECTION, ORACLE)
                if high and split in high[0] and test in ("id", "ood") and compared:
                    closed = gap_closed(values, base, accuracies(high, split))
                    row["gap_closed"] = plain(closed)
            rows.append(row)
    if rows:
        most = max(rows, key=lambda row: (row["split"] == "ood", row["tasks"]))
        same = Estimate(chance, chance, chance)
        rows.append(_row("chance", "ood", same, most["tasks"], most["seeds"]))
    return rows


def accuracies(seeds: Sequence[Counts], test: str) -> list[Array]:
    """For each seed the accuracy of every task, in percent."""
    return [
        100 * np.array(seed[test]["correct"], dtype=float) / np.array(seed[test]["total"])
        for seed in seeds
    ]


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
    evaluations: Mapping[str, Sequence[Counts]], bare: Mapping[str, str], component: str
) -> Sequence[Counts] | None:
    name = _name_of(bare, component)
    return evaluations[name] if name is not None else None
