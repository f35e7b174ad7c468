"""Computes a study's rows, table and plot from its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tina_kit.api import Study, Trial
from tina_kit.recipe.schema import Average
from tina_kit.report.results import Counted, accuracies, guesses, plain
from tina_kit.report.statistics import Array, mean_estimate
from tina_kit.report.table import interval, markdown_lines, text_lines


class Result(Protocol):
    """The measurements of one trial; see `pipeline.study.Measured`."""

    @property
    def trial(self) -> Trial: ...
    @property
    def counts(self) -> Sequence[Counted]: ...
    @property
    def losses(self) -> Sequence[Sequence[tuple[int, float]]]: ...


@dataclass(frozen=True)
class StudyReport:
    """The results of a study. title, x_label, note, versus: the study's; rows: one per trial, as in
    `results.json`; about: the images and prompts used."""

    title: str
    x_label: str
    note: str
    versus: str | None
    rows: list[dict[str, Any]]
    about: str

    @classmethod
    def read(cls, name: str, study: Study, rows: list[dict[str, Any]], about: str) -> StudyReport:
        """name: the study's row in the recipe, used as its title if it has none; rows: as in
        `results.json`."""
        title = study.title or name
        return cls(title, study.x_label, study.note, study.versus, rows, about)

    @property
    def columns(self) -> list[str | float]:
        return list(dict.fromkeys(row["x"] for row in self.rows if "x" in row))

    def table(self) -> list[tuple[str, ...]]:
        """A header and a line for each series; the columns are the values of x."""
        lines = [
            (self.x_label, *(f"{x:g}" if isinstance(x, float) else str(x) for x in self.columns))
        ]
        for series in dict.fromkeys(row["series"] for row in self.rows):
            at = {row["x"]: row for row in self.rows if row["series"] == series and "x" in row}
            if at:
                lines.append((series, *(_cell(at[x]) if x in at else "" for x in self.columns)))
        for guess in dict.fromkeys(name for row in self.rows for name in row.get("guesses", ())):
            lines.append((guess, *(self._guess(guess, x) for x in self.columns)))
        return lines

    def _guess(self, name: str, x: str | float) -> str:
        """The p-Acc of guessing at `x`: several values if series have different tasks there."""
        found = [row["guesses"] for row in self.rows if row.get("x") == x]
        values = [guess[name] for guess in found if name in guess]
        return ", ".join(dict.fromkeys(interval(each["mean"], each["ci95"]) for each in values))

    def caption(self) -> str:
        """An explanation of the numbers."""
        counts = {(row["tasks"], row["seeds"]) for row in self.rows if "tasks" in row}
        if not counts:
            return self.about
        tasks = sorted({count for count, _ in counts})
        seeds = max(number for _, number in counts)
        number = f"{tasks[0]}" if len(tasks) == 1 else f"{tasks[0]} to {tasks[-1]}"
        over = f"{seeds} seeds, ± 95% confidence interval over seeds"
        if seeds == 1:
            over = "one seed, ± 95% confidence interval over tasks"
        versus = (
            f" In brackets: difference from {self.versus} on the same tasks." if self.versus else ""
        )
        return f"p-Acc in percent, mean over {number} tasks, {over}.{versus} {self.about}"

    def text(self) -> str:
        notes = [self.note] if self.note else []
        return "\n".join([self.title, *self.lines(), self.caption(), *notes])

    def lines(self, columns: int | None = None) -> list[str]:
        """The table as text. columns: to fit it in, None for any number."""
        return text_lines(self.table(), columns) if self.columns else ["(a curve, in the plots)"]

    def markdown(self) -> str:
        lines = [f"## {self.title}", ""]
        if self.columns:
            lines += [*markdown_lines(self.table()), ""]
        return "\n".join([*lines, self.caption(), "", *([self.note, ""] if self.note else [])])


def plot_study(report: StudyReport, stem: Path) -> None:
    """Draw `<stem>.png` and `<stem>.svg`: p-Acc by x, or losses by step."""
    from tina_kit.report.plot import Point, plot

    stem.parent.mkdir(parents=True, exist_ok=True)
    losses = {
        row["series"]: [Point(step, loss) for step, loss in zip(row["steps"], row["loss"])]
        for row in report.rows
        if "loss" in row
    }
    if losses:
        plot(losses, report.title, report.x_label, "training loss", stem, log_y=True)
        return
    series: dict[str, list[Point]] = {}
    for row in report.rows:
        low, high = row["ci95"] or (math.nan, math.nan)
        point = Point(row["x"], row["p_acc"], low, high, row.get("published"))
        series.setdefault(row["series"], []).append(point)
    guesses: dict[str, dict[str | float, float]] = {}
    for row in report.rows:
        for name, guess in row["guesses"].items():
            guesses.setdefault(name, {})[row["x"]] = guess["mean"]
    plot(series, report.title, report.x_label, "p-Acc (%)", stem, guesses=guesses)


def study_report(
    name: str, study: Study, results: Sequence[Result], about: str, average: Average
) -> StudyReport:
    """The report of a study. name: its row in the recipe, used as its title if it has none; about:
    the images and prompts used; average: see `results.accuracies`."""
    base = {
        result.trial.x: _values(result, average)
        for result in results
        if result.trial.series == study.versus and result.counts
    }
    rows = [_row(study, result, base, average) for result in results]
    return StudyReport.read(name, study, rows, about)


def _row(
    study: Study, result: Result, base: dict[str | float, list[Array]], average: Average
) -> dict[str, Any]:
    trial = result.trial
    if trial.measure == "loss":
        steps = [step for step, _ in result.losses[0]]
        losses = np.mean([[loss for _, loss in values] for values in result.losses], axis=0)
        return {"series": trial.series, "steps": steps, "loss": losses.tolist()}
    values = _values(result, average)
    estimate = plain(mean_estimate(values))
    row = {
        "series": trial.series,
        "x": trial.x,
        "classes": trial.classes,
        "p_acc": estimate["mean"],
        "ci95": estimate["ci95"],
        "tasks": len(values[0]),
        "seeds": len(values),
        "guesses": {name: plain(guess) for name, guess in guesses(result.counts, average).items()},
    }
    low = base.get(trial.x)
    if low is not None and trial.series != study.versus and len(low[0]) == len(values[0]):
        row["versus"] = {"series": study.versus} | plain(
            mean_estimate([a - b for a, b in zip(values, low)])
        )
    published = study.published.get((trial.series, str(trial.x)))
    if published is not None:
        row["published"] = published
    return row


def _values(result: Result, average: Average) -> list[Array]:
    return [accuracies(counts, average) for counts in result.counts]


def _cell(row: dict[str, Any]) -> str:
    text = interval(row["p_acc"], row["ci95"])
    if "versus" in row:
        text += f" ({interval(row['versus']['mean'], row['versus']['ci95'], sign=True)})"
    if "published" in row:
        text += f" [paper {row['published']:.1f}]"
    return text
