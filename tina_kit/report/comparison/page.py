"""The page of a comparison of runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tina_kit.api import abridged
from tina_kit.report import charts
from tina_kit.report.comparison import tables
from tina_kit.report.comparison.pairs import Compared, Pair
from tina_kit.report.html import (
    Markup,
    document,
    element,
    figure,
    folded,
    notice,
    paragraph,
    section,
    side_by_side,
    table,
)
from tina_kit.report.table import interval

_MOST_CHARTS = 6  # of single tasks
_NARROW = 2  # runs whose p-Acc a phone shows side by side
_TOLD = 3  # differences beside a run
_LONG = 12  # rows of a table that is folded


def compared_page(found: Compared) -> str:
    """One self-contained HTML file."""
    titles = " and ".join(dict.fromkeys(str(side.record["name"]) for side in found.sides))
    return document(
        f"Comparison of {titles}",
        _runs(found),
        *_verdicts(found),
        *_paired(found),
        _results(found),
        _differences(found),
    )


def _verdicts(found: Compared) -> Iterator[Markup]:
    told = [pair for pair in found.pairs if pair.split == "ood" and not pair.same]
    clear = [pair for pair in told if pair.p_holm < 0.05]
    for pair, text in zip(told, tables.verdicts(found)):
        if len(told) <= _MOST_CHARTS:
            yield notice(text, level="good" if pair in clear else "note")
    if len(told) > _MOST_CHARTS:
        yield paragraph(
            f"{len(clear)} of {len(told)} differences on OOD tasks are clearer than chance."
        )
    for remark in found.remarks:
        yield notice(remark, level="note")


def _runs(found: Compared) -> Markup:
    notes = [
        element("p", element("strong", f"{side.label}: "), f"{side.about['note']}{tags}")
        for side in found.sides
        for tags in [_tags(side.about["tags"])]
        if side.about["note"] or tags
    ]
    head, *lines = tables.runs_table(found)
    told = [_told_apart(found, side.label) for side in found.sides]
    if any(told):
        head, lines = (*head, "differs in"), [(*line, of) for line, of in zip(lines, told)]
    return section("The runs", table([head, *lines], words=True), *notes)


def _told_apart(found: Compared, label: str) -> str:
    """What is this run's own, in short; the recipe comes first. Empty for two rows of one run."""
    cells = [(each.kind, each.cells(list(found.runs))) for each in found.differences]
    if not cells or label not in found.runs:
        return ""
    place = list(found.runs).index(label) + 1
    first = [cell for kind, cell in cells if kind == cells[0][0]]
    return abridged([f"{cell[0]}: {cell[place]}" for cell in first], _TOLD)


def _tags(tags: Sequence[str]) -> str:
    return f" (tagged {', '.join(tags)})" if tags else ""


def _paired(found: Compared) -> Iterator[Markup]:
    tested = [pair for pair in found.pairs if not pair.same]
    if not tested:
        return
    first = found.sides[0].label
    several = len(found.sides) > 2
    rows = [_bar(pair, several) for pair in tested]
    other = "the other run" if several else found.sides[1].label
    shown = figure(
        charts.bars(rows),
        f"Points of p-Acc that {other} is above {first}, on the tasks that both have, with 95% "
        "confidence intervals. Grey: not told apart from zero"
        ", after correction for the number of comparisons.",
    )
    told = [*tables.same_results(found), *tables.caption(found)]
    words = [paragraph(text, soft=True) for text in told]
    yield section("Which is better", shown, table(tables.pairs_table(found)), *words)
    if drawn := [_ranked(pair) for pair in tested if pair.split == "ood"][:_MOST_CHARTS]:
        yield section(
            "Task by task",
            paragraph(
                "Each bar is one OOD task, in order of the difference: a gain that all tasks share "
                "looks unlike one that few tasks make."
            ),
            side_by_side(*drawn),
        )


def _bar(pair: Pair, several: bool) -> charts.Bar:
    name = f"{tables.name_of(pair)}, {pair.split.upper()}"
    return charts.Bar(
        f"{pair.second}: {name}" if several else name,
        pair.estimate.mean,
        interval(pair.estimate.mean, _bounds(pair), sign=True),
        pair.estimate.low,
        pair.estimate.high,
        faint=not pair.p_holm < 0.05,
    )


def _ranked(pair: Pair) -> Markup:
    values = [float(value) for seed in pair.values for value in seed]
    above, below = sum(v > 0 for v in values), sum(v < 0 for v in values)
    return figure(
        charts.ranked(values, f"{len(values)} OOD tasks", f"{pair.second} - {pair.first}, points"),
        f"{tables.name_of(pair)}: {pair.second} is better on {above} tasks and worse on {below}.",
    )


def _results(found: Compared) -> Markup:
    runs = found.runs
    shown = []
    for split in ("ood", "id"):
        lines = tables.side_by_side(runs, split)
        if len(lines) > 1:
            head = element("h3", f"p-Acc on {split.upper()} tasks, in percent")
            shown += [head, table(lines, stack=len(runs) > _NARROW)]
    return section(
        "The tables side by side",
        *shown,
        paragraph(
            "Each run's own mean ± 95% confidence interval, on its own tasks. As a rule, these are "
            "wider than those of paired differences, since some tasks are harder than others.",
            soft=True,
        ),
    )


def _differences(found: Compared) -> Markup:
    parts = []
    for kind, lines in tables.differences_tables(found).items():
        parts.append(element("h3", kind.capitalize()))
        if len(lines) == 1:
            parts.append(paragraph("The same."))
        elif len(lines) > _LONG:
            parts.append(folded(f"{len(lines) - 1} differences", table(lines, words=True)))
        else:
            parts.append(table(lines, words=True))
    return section("What differs", *parts)


def _bounds(pair: Pair) -> tuple[float, float] | None:
    low, high = pair.estimate.low, pair.estimate.high
    return None if math.isnan(low) else (low, high)
