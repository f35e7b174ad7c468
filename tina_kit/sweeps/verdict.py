"""What a sweep shows, in two sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.report.comparison.tables import probability
from tina_kit.report.table import interval
from tina_kit.sweeps.axes import short_names, shown

SURE = 0.05
"""The p, corrected by Holm, below which a difference counts as sure."""


def verdict(points: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str:
    """The best point, and which others it is surely better than. points: of an `Outcome`, the best
    first; keys: that were varied."""
    best, names = points[0], short_names(keys)
    if best["status"] != "done":
        return "No point has a result."
    values = ", ".join(f"{names[key]}={shown(best['set'][key])}" for key in keys)
    p_acc = interval(best["p_acc"], best["ci95"])
    told = f"Best is point {best['number']} ({values}) with a p-Acc of {p_acc}."
    others = [point for point in points if point["vs_best"] is not None]
    if not others:
        return f"{told} There is no other to compare it with."
    gap = others[0]["vs_best"]
    apart = interval(gap["mean"], gap["ci95"], sign=True)
    p = "" if gap["p_holm"] is None else f", p {_equals(gap['p_holm'])}"
    return (
        f"{told} It is {_better(others)}; the next best, point {others[0]['number']}, differs by "
        f"{apart} points{p}."
    )


def _better(others: Sequence[Mapping[str, Any]]) -> str:
    against = [point["vs_best"] for point in others]
    worse = sum(
        gap["p_holm"] is not None and gap["p_holm"] < SURE and gap["mean"] < 0 for gap in against
    )
    if not worse:
        return "not surely better than any other"
    if worse < len(others):
        return f"surely better than {worse} of {len(others)} others"
    return "surely better than all others" if worse > 1 else "surely better than the other"


def _equals(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"
