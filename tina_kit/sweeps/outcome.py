"""What a sweep found: its points in order of p-Acc, compared on the tasks that they share."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.pipeline.comparing import side_of
from tina_kit.report.comparison.pairs import compare
from tina_kit.report.comparison.side import Side
from tina_kit.report.comparison.tables import probability
from tina_kit.report.results import number, plain
from tina_kit.report.table import frame, interval, markdown_lines, text_lines
from tina_kit.store.files import read_json, write_text
from tina_kit.sweeps.axes import short_names, shown
from tina_kit.sweeps.page import page
from tina_kit.sweeps.record import Record


def measured_in(run: Path, row: str, split: str) -> dict[str, Any]:
    """`p_acc`, `ci95` and `tasks` of a row on a split, of a finished run."""
    rows = read_json(run / "results.json")["generators"]
    [found] = [each for each in rows if (each["generator"], each["split"]) == (row, split)]
    return {"p_acc": found["p_acc"], "ci95": found["ci95"], "tasks": found["tasks"]}


class Outcome:
    """The table of a sweep. points: those of its record, the best first; each that is done has
    `vs_best`, its difference from the best on the tasks that both have: `mean`, `ci95`, `p`,
    `p_holm` and `tasks`; None if they have none.

    `print(outcome)` shows text; iterating yields the points.
    """

    def __init__(self, record: Record) -> None:
        self.record, self.folder = record, record.folder
        self.points = compared(record)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __str__(self) -> str:
        return "\n".join([*self.lines(), self.caption])

    def __repr__(self) -> str:
        return f"<sweep of {len(self)} points in {self.folder}>"

    @property
    def best(self) -> dict[str, Any]:
        """The point with the largest p-Acc."""
        return self.points[0]

    @property
    def best_run(self) -> Path:
        """Its run folder."""
        return self.folder / str(self.best["run"])

    def table(self) -> list[tuple[str, ...]]:
        """A header, and a line for each point."""
        keys = list(self.record.facts["axes"])
        names = short_names(keys)
        head = ("point", *(names[key] for key in keys), "p-Acc", "vs best", "p")
        return [head, *(self._line(point, keys) for point in self.points)]

    def _line(self, point: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
        values = (shown(point["set"][key]) for key in keys)
        if point["status"] != "done":
            return (str(point["number"]), *values, point["status"], "", "")
        against, told, p = point["vs_best"], "other tasks", ""
        if point is self.best:
            told = "best"
        elif against is not None:
            told = interval(against["mean"], against["ci95"], sign=True)
            p = "" if against["p_holm"] is None else probability(against["p_holm"])
        return (str(point["number"]), *values, interval(point["p_acc"], point["ci95"]), told, p)

    def lines(self, columns: int | None = None) -> list[str]:
        """The table as text. columns: to fit it in, None for any number."""
        return text_lines(self.table(), columns)

    @property
    def caption(self) -> str:
        facts = self.record.facts
        seeds = f"{len(facts['seeds'])} seeds" if len(facts["seeds"]) > 1 else "one seed"
        over = "seeds" if len(facts["seeds"]) > 1 else "tasks"
        return (
            f"p-Acc of {facts['row']} in percent on {self.best['tasks']} validation "
            f"{facts['split'].upper()} tasks, {seeds}, ± 95% confidence interval over {over}. vs "
            "best: difference on the same tasks; p: of no difference, by Holm for so many. The "
            "best of many points is partly luck: measure it on test images once."
        )

    @property
    def command(self) -> str:
        """The command that runs the best point on test images."""
        facts = self.record.facts
        words = ["tina-kit", "run", facts["recipe"]]
        words += ["--profile", facts["profile"]] if facts["profile"] else []
        for key, value in self.best["set"].items():
            words += ["--set", f"{key}={shown_exactly(value)}"]
        return shlex.join(words)

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each point and a column for each key."""
        return frame(
            [
                {
                    "point": point["number"],
                    **point["set"],
                    "status": point["status"],
                    "p_acc": point.get("p_acc"),
                    "ci95": point.get("ci95"),
                    **({"vs_best": against} if (against := point["vs_best"]) else {}),
                    "run": point.get("run"),
                }
                for point in self.points
            ]
        )


def shown_exactly(value: Any) -> str:
    return repr(value) if isinstance(value, float) else shown(value)


def compared(record: Record) -> list[dict[str, Any]]:
    """The points, the best first and those without a result last, each with `vs_best`."""
    done = [point for point in record.points if point["status"] == "done"]
    done.sort(key=lambda point: (-point["p_acc"], point["number"]))
    rest = [point for point in record.points if point["status"] != "done"]
    for point in record.points:
        point["vs_best"] = None
    if len(done) > 1:
        found = compare([_side(record, point) for point in done])
        for pair in found.pairs:
            if pair.split == record.facts["split"]:
                point = record.points[int(pair.second) - 1]
                told = {
                    **plain(pair.estimate),
                    "p": number(pair.p),
                    "p_holm": number(pair.p_holm),
                }
                point["vs_best"] = {**told, "tasks": pair.tasks}
    return [*done, *rest]


def _side(record: Record, point: Mapping[str, Any]) -> Side:
    folder = record.folder / point["run"]
    return side_of(str(point["number"]), f"{folder}:{record.facts['row']}", _nothing_counted)


def _nothing_counted(folder: Path) -> Any:
    raise UserError(f"{folder}: it has no evaluations.json; remove it and repeat the sweep")


def publish(record: Record) -> Outcome:
    """Write the table, the plot and the report; `sweep.json` gets the comparisons."""
    from tina_kit.report.parallel import plot_parallel

    outcome = Outcome(record)
    record.save()
    names = short_names(list(record.facts["axes"]))
    done = [point for point in outcome if point["status"] == "done"]
    axes = {names[key]: [point["set"][key] for point in done] for key in record.facts["axes"]}
    p_acc = [point["p_acc"] for point in done]
    stem = record.folder / "plots" / "parallel"
    stem.parent.mkdir(exist_ok=True)
    _, svg = plot_parallel(axes, p_acc, f"p-Acc of {record.facts['row']}", stem)
    lines = [f"# {record.facts['name']}", "", *markdown_lines(outcome.table())]
    lines += ["", outcome.caption, "", f"`{outcome.command}`", "", "![](plots/parallel.png)", ""]
    write_text(record.folder / "report.md", "\n".join(lines))
    html = page(record.facts, outcome.table(), outcome.caption, outcome.command, svg)
    write_text(record.folder / "report.html", html)
    return outcome
