"""The results table, as cells, as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.recipe.schema import Average
from tina_kit.report.results import CONTROLS

GAINS = {"vs_selection": "vs selection", "vs_generic_plus": "vs generic+"}
_LONGER = (
    "vs generic+: the same for selection from the generic model trained for longer; the smaller of "
    "both is what a generator gains. "
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """The results of a run. rows: plain data, as under `generators` in `results.json`; about: the
    images and prompts with which they were measured.

    `print(table)` shows text, notebooks show HTML; iterating yields the rows.
    """

    rows: Sequence[Row]
    about: str

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Row:
        return self.rows[place]

    def row(self, generator: str, split: str = "ood") -> Row:
        """The row of a generator and split. Raises KeyError if there is none."""
        for row in self.rows:
            if (row["generator"], row["split"]) == (generator, split):
                return row
        raise KeyError(f"no row of {generator} on {split}")

    @property
    def caption(self) -> str:
        return caption(self.rows, self.about)

    def __str__(self) -> str:
        return "\n".join([*self.lines(), self.caption])

    def lines(self, columns: int | None = None) -> list[str]:
        """The table as text, for a terminal, a pipe or a log. columns: to fit it in, None for any
        number."""
        return text_lines([header(self.rows), *cells(self.rows)], columns)

    def _repr_html_(self) -> str:
        head, lines = header(self.rows), cells(self.rows)
        cell = "<td style='text-align:right;white-space:pre'>{}</td>".format
        body = "".join(
            f"<tr><td style='text-align:left;white-space:pre'>{escape(line[0])}</td>"
            f"{''.join(cell(escape(each)) for each in line[1:])}</tr>"
            for line in lines
        )
        heads = "".join(f"<th>{escape(each)}</th>" for each in head)
        return (
            f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody>"
            f"<caption style='caption-side:bottom;text-align:left'>{escape(self.caption)}"
            "</caption></table>"
        )

    def to_frame(self) -> Any:
        """A pandas DataFrame with these rows; intervals become `…_low` and `…_high`. Raises
        TinaKitError if pandas is not installed."""
        return frame(self.rows)


def frame(rows: Sequence[Row]) -> Any:
    """A pandas DataFrame; intervals become `…_low` and `…_high`. Raises TinaKitError if pandas is
    not installed."""
    try:
        import pandas
    except ImportError:
        raise TinaKitError("to_frame needs pandas: pip install pandas") from None
    return pandas.DataFrame([flat(row) for row in rows])


def flat(row: Row) -> Row:
    """A row whose intervals are two values each."""
    found: Row = {}
    for key, value in row.items():
        if isinstance(value, dict) and "mean" in value:
            found |= flat({f"{key}": value["mean"], f"{key}_ci95": value["ci95"]})
        elif key.endswith("ci95"):
            stem = key.removesuffix("ci95").rstrip("_") or "p_acc"
            found[f"{stem}_low"], found[f"{stem}_high"] = value or (None, None)
        else:
            found[key] = value
    return found


def header(rows: Sequence[Row]) -> tuple[str, ...]:
    """The names of the columns."""
    gains = [GAINS[gain] for gain in _gains(rows)]
    return ("generator", "OOD p-Acc", "ID p-Acc", *gains, "gap closed")


def _gains(rows: Sequence[Row]) -> list[str]:
    """The keys of the gains that the table shows: against generic-plus only where there is one."""
    return [gain for gain in GAINS if gain == "vs_selection" or any(gain in row for row in rows)]


def cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """One line per generator, followed by one for each of its controls."""
    gains = _gains(rows)
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_name.setdefault(row["generator"], {})[row["split"]] = row
    table = []
    for name, tests in by_name.items():
        table.append(_line(name, tests.get("ood"), tests.get("id"), gains))
        table += [
            _line(f"  {CONTROLS.get(test, test)}", row, None, gains)
            for test, row in tests.items()
            if test not in ("ood", "id")
        ]
    return table


def _line(name: str, ood: Row | None, id_: Row | None, gains: Sequence[str]) -> tuple[str, ...]:
    main = ood or id_ or {}
    told, closed = [main.get(gain) for gain in gains], main.get("gap_closed")
    return (
        name,
        interval(ood["p_acc"], ood["ci95"]) if ood else "ID only",
        interval(id_["p_acc"], id_["ci95"]) if id_ else "",
        *(interval(gain["mean"], gain["ci95"], sign=True) if gain else "" for gain in told),
        _percent(closed) if closed else "",
    )


def interval(mean: float | None, ci95: Sequence[float] | None, sign: bool = False) -> str:
    """`60.4 ± 1.0`, all in percent; "" for a mean of nothing."""
    if mean is None:
        return ""
    text = f"{mean:+.1f}" if sign else f"{mean:.1f}"
    if ci95 is None:
        return text
    half = (ci95[1] - ci95[0]) / 2
    return f"{text} ± {half:.1f}" if half else text


def _percent(value: dict[str, Any]) -> str:
    if value["mean"] is None:
        return ""
    text = f"{value['mean']:.0f}%"
    return f"{text} [{value['ci95'][0]:.0f}, {value['ci95'][1]:.0f}]" if value["ci95"] else text


def caption(rows: Sequence[Row], about: str) -> str:
    """An explanation of the numbers. about: the images and prompts used."""
    number = rows[0]["seeds"]
    seeds = f"{number} seeds" if number > 1 else "one seed"
    over = "seeds" if number > 1 else "tasks"
    found = {row["split"]: row["tasks"] for row in rows}
    tasks = " and ".join(
        f"{found[split]} {split.upper()}" for split in ("ood", "id") if split in found
    )
    longer = "" if "vs_generic_plus" not in _gains(rows) else _LONGER
    return (
        f"p-Acc in percent, mean over {tasks} tasks, {seeds}, ± 95% "
        f"confidence interval over {over}. vs selection: difference on the same tasks. {longer}"
        "gap closed: share of the gap from classifier selection to oracle [95% bootstrap "
        f"interval]. {_from_prompts(rows)}{about}"
    )


def _from_prompts(rows: Sequence[Row]) -> str:
    """How much of each generator's gain is the prompts', or "" if nothing tells it."""
    told = []
    for row in rows:
        if lost := row.get("from_prompts"):
            text = f"{row['generator']} {interval(lost['mean'], lost['ci95'], sign=True)}"
            gain = row.get("vs_selection", {"mean": 0})["mean"]
            told.append(f"{text} (of a gain of {gain:.1f})" if gain > 0 else text)
    listed = ", ".join(told)
    return f"Prompts give what is lost with another task's layers: {listed}. " if told else ""


def about(on: str, average: Average, conditioner: str) -> str:
    """The images and prompts used, in words. on: "test" or "validation"; average: over "images" or
    "classes"; conditioner: the full name of the component that embeds the prompts."""
    text = f"Prompts embedded by {conditioner}."
    if average == "classes":
        text = f"All classes of a task count the same. {text}"
    if on == "test":
        return text
    return f"VALIDATION, for choosing options: measured on held-out training images. {text}"


def markdown(rows: Sequence[Row]) -> str:
    return "\n".join(markdown_lines([header(rows), *cells(rows)]))


def markdown_lines(table: Sequence[Sequence[str]]) -> list[str]:
    """table: a header and lines, the first cell of each a name."""
    rule = ["---" if i == 0 else "---:" for i in range(len(table[0]))]
    return ["| " + " | ".join(line) + " |" for line in [table[0], rule, *table[1:]]]


def text_lines(table: Sequence[Sequence[str]], columns: int | None = None) -> list[str]:
    """Aligned cells, or where they do not fit in so many columns, the cells of a line one below the
    other. table: a header and lines, the first cell of each a name."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    whole = sum(widths) + 2 * (len(widths) - 1)
    if columns is not None and whole > columns:
        return [text for line in table[1:] for text in _stacked(table[0], line)]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in table
    ]
    return [text[0], "-" * whole, *text[1:]]


def _stacked(header: Sequence[str], line: Sequence[str]) -> Iterator[str]:
    """A name, and below it each cell that is not empty with its head."""
    name, *cells = line
    indent = " " * (len(name) - len(name.lstrip()) + 2)
    width = max((len(head) for head in header[1:]), default=0)
    yield name
    for head, cell in zip(header[1:], cells):
        if cell:
            yield f"{indent}{head.ljust(width)}  {cell}"
