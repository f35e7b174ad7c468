"""What a comparison of runs gives to Python, the command line and notebooks."""

from __future__ import annotations

from html import escape
from typing import Any, Literal

from tina_kit.report.comparison import tables
from tina_kit.report.comparison.page import compared_page
from tina_kit.report.comparison.pairs import SPLITS, Compared, Pair
from tina_kit.report.comparison.side import Side
from tina_kit.report.results import number, plain
from tina_kit.report.table import frame, text_lines


class Comparison:
    """What `compare` finds: `print` and notebooks show it as text, `html` gives a page.

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
            for (name, split), by in tables.rows_by_label(self.found.runs).items()
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

    def to_frame(self, of: Literal["pairs", "results", "differences"] = "pairs") -> Any:
        """A pandas DataFrame of the paired differences (in points), of the tables side by side (in
        percent), or of what else differs. Runs are columns of the latter two, by their labels.
        Raises TinaKitError if pandas is not installed."""
        if of == "pairs":
            return frame(self.pairs)
        rows, nested = self.results, "p_acc"
        if of == "differences":
            rows, nested = self.differences, "values"
        return frame([{**row, **row[nested], nested: None} for row in rows]).drop(columns=nested)

    def html(self) -> str:
        """A self-contained page."""
        return compared_page(self.found)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def lines(self, columns: int | None = None) -> list[str]:
        """The comparison as text. columns: to fit it in, None for any number."""
        found = self.found
        lines = text_lines(tables.runs_table(found), columns)
        same = []
        for kind, table in tables.differences_tables(found).items():
            if len(table) > 1:
                lines += ["", f"Differences, {kind}:", *text_lines(table, columns)]
            else:
                same.append(kind)
        if same:
            lines += ["", f"The same: {', '.join(same)}"]
        for split in SPLITS:
            if len(table := tables.side_by_side(found.runs, split)) > 1:
                lines += ["", f"p-Acc on {split.upper()} tasks:", *text_lines(table, columns)]
        if len(table := tables.pairs_table(found)) > 1:
            lines += ["", "Paired differences on shared tasks:", *text_lines(table, columns)]
        return lines

    def words(self) -> list[str]:
        """Paragraphs to read below the tables."""
        found = self.found
        return [
            *tables.verdicts(found),
            *tables.same_results(found),
            *self.remarks,
            *tables.caption(found),
        ]


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
