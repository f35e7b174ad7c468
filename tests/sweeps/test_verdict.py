"""A sweep says which points its best is surely better than, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from tina_kit.sweeps.verdict import verdict

KEYS = ["generators.tina-dit.depth"]


def point(number: int, p: float | None = None, mean: float = -2.0) -> dict[str, Any]:
    """p: of no difference from the best, None for the best itself."""
    gap = {"mean": mean, "ci95": [mean - 1, mean + 1], "p_holm": p}
    return {
        "number": number,
        "status": "done",
        "set": {KEYS[0]: number},
        "p_acc": 40.0,
        "ci95": [39.0, 41.0],
        "vs_best": None if p is None else gap,
    }


def test_the_best_is_named_with_the_next_best() -> None:
    told = verdict([point(2), point(1, 0.03, -2.5)], KEYS)
    assert told == (
        "Best is point 2 (tina-dit.depth=2) with a p-Acc of 40.0 ± 1.0. It is surely better than "
        "the other; the next best, point 1, differs by -2.5 ± 1.0 points, p = 0.030."
    )


@pytest.mark.parametrize(
    ("p_values", "told"),
    [
        ((0.01, 0.02), "surely better than all others"),
        ((0.4, 0.02), "surely better than 1 of 2 others"),
        ((0.4, 0.05), "not surely better than any other"),
    ],
)
def test_how_many_it_is_better_than(p_values: tuple[float, ...], told: str) -> None:
    points = [point(3), *(point(number, p) for number, p in enumerate(p_values, 1))]
    assert f"It is {told};" in verdict(points, KEYS)


def test_without_others_or_results_nothing_is_compared() -> None:
    assert "no other to compare" in verdict([point(1)], KEYS)
    failed = {**point(1), "status": "failed"}
    assert verdict([failed], KEYS) == "No point has a result."
