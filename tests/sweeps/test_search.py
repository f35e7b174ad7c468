"""Points that Optuna chooses, from the record alone."""

from __future__ import annotations

from typing import Any

import pytest

from tina_kit.sweeps.axes import axes_of

pytest.importorskip("optuna")
from tina_kit.sweeps.search import STARTUP, Search

AXES = axes_of(["lr=log:1e-4..1e-1", "depth=1..8", "kind=[a],[b, c]"])


def ended(search: Search, count: int) -> list[dict[str, Any]]:
    """A search whose p-Acc is best at small depths."""
    points: list[dict[str, Any]] = []
    for _ in range(count):
        chosen = search.choose(points)
        p_acc = 80.0 - 5 * chosen["depth"]
        measured = [[place, p_acc - 5 + place] for place in (1, 2)]
        points.append({"set": chosen, "status": "done", "p_acc": p_acc, "measured": measured})
    return points


def test_a_search_that_is_taken_up_again_chooses_the_same() -> None:
    whole = ended(Search(AXES, 0), 12)
    assert ended(Search(AXES, 0), 12) == whole
    assert Search(AXES, 0).choose(whole[:7]) == whole[7]["set"]
    assert ended(Search(AXES, 1), 3) != whole[:3]
    assert all(1e-4 <= point["set"]["lr"] <= 1e-1 for point in whole)
    assert {repr(point["set"]["kind"]) for point in whole} == {"['a']", "['b', 'c']"}


def test_it_learns_from_the_points_before() -> None:
    points = ended(Search(AXES, 0), 30)
    first, last = ([p["set"]["depth"] for p in some] for some in (points[:10], points[-10:]))
    assert sum(last) < sum(first)


def test_a_point_below_most_is_hopeless_and_one_above_is_not() -> None:
    search = Search(AXES, 0)
    before = ended(search, STARTUP)
    assert search.hopeless(before, [(1, 1.0)])
    assert not search.hopeless(before, [(1, 99.0)])
    assert not search.hopeless(before[:-1], [(1, 1.0)])  # too few to judge by
    before[0] = {**before[0], "status": "pruned"}
    assert search.choose(before) is not None
    assert search.choose([*before, {**before[1], "status": "failed", "p_acc": None}]) is not None
