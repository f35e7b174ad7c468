"""A comparison of runs as tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tina_kit.report.comparison import SPLITS, Compared, Pair, Side
from tina_kit.report.differences import KINDS
from tina_kit.report.results import CONTROLS, plain
from tina_kit.report.table import interval, text_lines

_SMALL = 0.001
Lines = list[tuple[str, ...]]
"""A header and lines of cells, the first of each a name."""


class Comparison:
    """What `compare` finds: `print` shows it as text, a notebook and `save` as a page.

    runs: what was compared, by label; differences: what differs besides the results; pairs:
    differences on shared tasks; remarks: what a reader must know. All are plain data; `found` has
    the objects that they come from.
    """

    def __init__(self, found: Compared) -> None:
        self.found = found

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [_about(side) for side in self.found.sides]

    @property
    def differences(self) -> list[dict[str, Any]]:
        return [
            {"kind": each.kind, "key": each.key, "values": dict(each.values)}
            for each in self.found.differences
        ]

    @property
    def pairs(self) -> list[dict[str, Any]]:
        return [_pair(pair) for pair in self.found.pairs]

    @property
    def remarks(self) -> list[str]:
        return list(self.found.remarks)

    @property
    def results(self) -> list[dict[str, Any]]:
        """The rows of the runs' own tables: `generator`, `split`, and by label `p_acc`."""
        return [
            {
                "generator": name,
                "split": split,
                "p_acc": {
                    label: {"mean": row["p_acc"], "ci95": row["ci95"]} for label, row in by.items()
                },
            }
            for (name, split), by in _rows(self.found.runs).items()
        ]

    def facts(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "runs": self.runs,
            "differences": self.differences,
            "results": self.results,
            "pairs": self.pairs,
            "remarks": self.remarks,
        }

    def to_frame(self) -> Any:
        """A pandas DataFrame of the paired differences, in points. Raises TinaKitError if pandas is
        not installed."""
        from tina_kit.report.table import frame

        return frame(self.pairs)

    def html(self) -> str:
        """A self-contained page."""
        from tina_kit.report.compared_page import compared_page

        return compared_page(self.found)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def lines(self, columns: int | None = None) -> list[str]:
        """The comparison as text. columns: to fit it in, None for any number."""
        found = self.found
        lines = text_lines(runs_table(found), columns)
        same = []
        for kind, table in differences_tables(found).items():
            if len(table) > 1:
                lines += ["", f"Differences, {kind}:", *text_lines(table, columns)]
            else:
                same.append(kind)
        if same:
            lines += ["", f"The same: {', '.join(same)}"]
        for split in SPLITS:
            if len(table := side_by_side(found.runs, split)) > 1:
                lines += ["", f"p-Acc on {split.upper()} tasks:", *text_lines(table, columns)]
        if len(table := pairs_table(found)) > 1:
            lines += ["", "Paired differences on shared tasks:", *text_lines(table, columns)]
        return lines

    def words(self) -> list[str]:
        """Paragraphs to read below the tables."""
        found = self.found
        return [*verdicts(found), *same_results(found), *self.remarks, *caption(found)]


def runs_table(found: Compared) -> Lines:
    lines: Lines = [("", "run", "seeds", "started", "commit")]
    for side in found.sides:
        commit = (side.record.get("git") or {}).get("commit", "")[:8]
        seeds, started = ", ".join(side.seeds), str(side.record["started"])[:16]
        lines.append((side.label, side.title, seeds, started.replace("T", " "), commit))
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
    for (name, test), by in _rows(runs).items():
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
        lines.append((name, f"{pair.tasks} {pair.split.upper()}", *means, gain, *tested))
    if not _many(found):
        lines = [line[:-1] for line in lines]
    return lines


def same_results(found: Compared) -> list[str]:
    """What runs share that needs no test, in a sentence for each pair of runs."""
    told = []
    first = found.sides[0].label
    for side in found.sides[1:]:
        rows = [name_of(pair) for pair in found.pairs if pair.same and pair.second == side.label]
        if rows:
            names = ", ".join(dict.fromkeys(rows))
            told.append(f"{side.label} took the same results from the store as {first}: {names}.")
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


def _rows(runs: Mapping[str, Side]) -> dict[tuple[str, str], dict[str, Any]]:
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


def _about(side: Side) -> dict[str, Any]:
    record = side.record
    return {
        "label": side.label,
        "folder": side.folder,
        "generator": side.row,
        "name": record["name"],
        "key": record["key"],
        "seeds": record["seeds"],
        "started": record["started"],
        "commit": (record.get("git") or {}).get("commit"),
        **side.about,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    number: Callable[[float], float | None] = lambda p: None if math.isnan(p) else p  # noqa: E731
    return {
        "first": pair.first,
        "second": pair.second,
        "first_generator": pair.rows[0],
        "second_generator": pair.rows[1],
        "split": pair.split,
        "first_mean": pair.means[0],
        "second_mean": pair.means[1],
        "difference": plain(pair.estimate)["mean"],
        "difference_ci95": plain(pair.estimate)["ci95"],
        "p": number(pair.p),
        "p_holm": number(pair.p_holm),
        "tasks": pair.tasks,
        "seeds": pair.seeds,
        "same": pair.same,
    }
