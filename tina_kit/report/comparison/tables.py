"""A comparison of runs as tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.report.amounts import moment
from tina_kit.report.comparison.differences import KINDS
from tina_kit.report.comparison.pairs import Compared, Pair
from tina_kit.report.comparison.side import Side
from tina_kit.report.results import CONTROLS, plain
from tina_kit.report.table import interval

_SMALL = 0.001
Lines = list[tuple[str, ...]]
"""A header and lines of cells, the first of each a name."""


def runs_table(found: Compared) -> Lines:
    lines: Lines = [("", "run", "seeds", "started (UTC)", "commit")]
    for side in found.sides:
        commit = (side.record.get("git") or {}).get("commit", "")[:8]
        seeds, started = ", ".join(side.seeds), moment(str(side.record["started"]))
        lines.append((side.label, side.title, seeds, started, commit))
    return lines


def differences_tables(found: Compared) -> dict[str, Lines]:
    """By kind, what differs; only a header where nothing does."""
    labels = list(found.runs)
    return {
        kind: [
            ("key", *labels),
            *(each.cells(labels) for each in found.differences if each.kind == kind),
        ]
        for kind in KINDS
    }


def side_by_side(runs: Mapping[str, Side], split: str) -> Lines:
    """The p-Acc of all generators in each run; with "ood" also that of controls."""
    lines: Lines = [("generator", *runs)]
    for (name, test), by in rows_by_label(runs).items():
        if test == split or (split == "ood" and test in CONTROLS):
            shown = name if test == split else f"  {name}: {CONTROLS[test]}"
            cells = (_acc(by[label]) if label in by else "" for label in runs)
            lines.append((shown, *cells))
    return lines


def pairs_table(found: Compared) -> Lines:
    several = len(found.sides) > 2
    first = found.sides[0].label
    other = "other" if several else found.sides[1].label
    lines: Lines = [("generator", "tasks", first, other, f"{other} - {first}", "p", "p (Holm)")]
    for pair in found.pairs:
        if pair.same:
            continue
        gain = interval(*_mean_ci(pair), sign=True)
        tested = (probability(pair.p), probability(pair.p_holm))
        means = (f"{mean:.1f}" for mean in pair.means)
        name = f"{pair.second}: {name_of(pair)}" if several else name_of(pair)
        lines.append((name, _tasks(pair), *means, gain, *tested))
    if not _many(found):
        lines = [line[:-1] for line in lines]
    return lines


def _tasks(pair: Pair) -> str:
    """`50 OOD`, or with several seeds `3 × 50 OOD`."""
    each = {len(values) for values in pair.values}
    many = pair.seeds > 1 and len(each) == 1
    return f"{f'{pair.seeds} × {each.pop()}' if many else pair.tasks} {pair.split.upper()}"


def same_results(found: Compared) -> list[str]:
    """Which generators are equal in every task, so that there is nothing to test; a sentence for
    each pair of runs."""
    told = []
    for side in found.sides[1:]:
        pairs = [pair for pair in found.pairs if pair.second == side.label]
        tested = {name_of(pair) for pair in pairs if not pair.same}
        names = dict.fromkeys(
            f"{name_of(pair)} ({pair.split.upper()})" if name_of(pair) in tested else name_of(pair)
            for pair in pairs
            if pair.same
        )
        if names:
            first = found.sides[0].label
            told.append(f"{side.label} equals {first} in every shared task: {', '.join(names)}.")
    return told


def _many(found: Compared) -> bool:
    return any(number > 1 for number in found.tested.values())


def name_of(pair: Pair) -> str:
    return pair.rows[0] if len(set(pair.rows)) == 1 else f"{pair.rows[0]} → {pair.rows[1]}"


def probability(p: float) -> str:
    if math.isnan(p):
        return ""
    return f"< {_SMALL}" if p < _SMALL else f"{p:.3f}"


def verdicts(found: Compared) -> list[str]:
    """A sentence for each difference on OOD tasks: what it says about which is better."""
    return [_verdict(pair) for pair in found.pairs if pair.split == "ood" and not pair.same]


def _verdict(pair: Pair) -> str:
    """Names the better one first."""
    mean, ci95 = _mean_ci(pair)
    sides = list(zip((pair.first, pair.second), pair.rows))
    (label, row), (other, than) = reversed(sides) if mean > 0 else sides
    both = f"{label}'s {row}", f"{other}'s" if than == row else f"{other}'s {than}"
    if ci95 is None:
        return f"{both[0]} is {abs(mean):.1f} points above {both[1]}, on too few tasks to say more."
    if pair.p_holm < 0.05:
        return f"{both[0]} is better than {both[1]} by {interval(abs(mean), ci95)} points."
    doubt = ""
    if pair.p < 0.05:
        doubt = " By chance, one of so many comparisons may well differ as much."
    gain = interval(abs(mean), ci95, sign=True)
    return f"{both[0]} and {both[1]} cannot be told apart: {gain} points.{doubt}"


def caption(found: Compared) -> list[str]:
    """How to read the paired differences."""
    if not found.tested:
        return []
    kinds = ["tasks" if pair.seeds == 1 else "the seeds' means" for pair in found.pairs]
    means = " and ".join(dict.fromkeys(kinds))
    text = (
        "Paired differences in points of p-Acc, on tasks that both runs have (the same classes in "
        "the same order, with the same seed and test images): mean ± 95% confidence interval by "
        f"Student's t over {means}. p: of no difference"
    )
    if _many(found):
        numbers = " and ".join(f"{n} {split.upper()}" for split, n in found.tested.items())
        text += f"; p (Holm): the same, corrected for {numbers} comparisons"
    text += "."
    if any(pair.seeds == 1 for pair in found.pairs):
        text += " Intervals over the tasks of one seed do not say what another seed would give."
    return [text]


def rows_by_label(runs: Mapping[str, Side]) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the runs' tables by generator and split, in the first run's order, by label."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for label, side in runs.items():
        for row in side.results["generators"]:
            rows.setdefault((row["generator"], row["split"]), {})[label] = row
    return rows


def _acc(row: Mapping[str, Any]) -> str:
    return interval(row["p_acc"], row["ci95"])


def _mean_ci(pair: Pair) -> tuple[float, Sequence[float] | None]:
    return pair.estimate.mean, plain(pair.estimate)["ci95"]
