"""The table, and what it looks like."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tina_kit.report.charts import Bar, bars
from tina_kit.report.crossed import RESAMPLES
from tina_kit.report.document.source import Source
from tina_kit.report.facts import BASELINES
from tina_kit.report.html import (
    Markup,
    element,
    figure,
    figures,
    items,
    joined,
    paragraph,
    picture,
    section,
    table,
)
from tina_kit.report.results import CONTROLS
from tina_kit.report.table import Row, caption, cells, header, interval


def key_figures(source: Source) -> Markup:
    facts = source.facts
    main = facts.main
    row = None if main is None else facts.row(main, facts.split)
    if row is None:
        return joined([])
    split = facts.split.upper()
    found = [(f"p-Acc of {main}", interval(row["p_acc"], row["ci95"]), f"percent, {split} tasks")]
    if gain := row.get("vs_selection"):
        told = interval(gain["mean"], gain["ci95"], sign=True)
        found.append(("against selection", told, "points, on the same tasks"))
    closed = row.get("gap_closed")
    if closed and closed["mean"] is not None:
        bounds = closed["ci95"]
        note = "of the gap from selection to oracle"
        within = f"[{bounds[0]:.0f}, {bounds[1]:.0f}] {note}" if bounds else note
        found.append(("gap closed", f"{closed['mean']:.0f}%", within))
    seeds = f"{row['seeds']} seeds" if row["seeds"] > 1 else "one seed"
    found.append(("measured on", f"{row['tasks']:,} tasks", seeds))
    return figures(found)


def results(source: Source) -> Markup:
    facts = source.facts
    chart = figure(
        bars(list(_bars(source)), "%"),
        f"p-Acc on {facts.split.upper()} tasks with 95% intervals. Grey: baselines, controls and "
        "guessing.",
    )
    return section(
        "Results",
        chart,
        table([header(facts.rows), *cells(facts.rows)]),
        paragraph(caption(facts.rows, source.about), soft=True),
        element("h3", "How to read the table"),
        items(_how()),
        *_wide(source),
    )


def _bars(source: Source) -> Iterator[Bar]:
    facts = source.facts
    for row in facts.rows:
        if row["split"] == "id" and facts.split != "id":
            continue
        control = CONTROLS.get(row["split"])
        low, high = row["ci95"] or (math.nan, math.nan)
        bare = facts.bare.get(row["generator"])
        yield Bar(
            f"  {control}" if control else row["generator"],
            row["p_acc"],
            interval(row["p_acc"], row["ci95"]),
            low,
            high if high > low else math.nan,
            faint=control is not None or bare is None or bare in BASELINES,
        )


def _how() -> Iterator[str]:
    yield "p-Acc is the accuracy of a p-Model on the test images of its task, averaged over tasks."
    yield (
        "OOD tasks are sets of classes that no generator has learned from; ID tasks are those of "
        "the zoo."
    )
    yield (
        "± is a 95% confidence interval. Two rows may differ surely although their intervals "
        "overlap, since they are measured on the same tasks: look at vs selection, a difference on "
        "each task, averaged."
    )
    yield "A gap closed of 100% is the oracle, 0% is classifier selection."
    yield (
        "Below a generator are controls. With shuffled or gibberish prompts it must fall to "
        "chance. With another task's layers, or the mean of all tasks', it keeps its classifier "
        "rows: what it loses then is what prompts tell the other layers."
    )


def _wide(source: Source) -> list[Markup]:
    """The intervals over tasks and classes."""
    facts = source.facts
    lines = [("generator", "p-Acc", "over tasks", "over tasks and classes", "vs selection, so too")]
    for crossed in facts.over_classes:
        row = facts.row(crossed["generator"], crossed["split"])
        if row is not None and crossed["split"] == facts.split:
            base = crossed.get("vs_base")
            versus = "" if base is None else f"{base['mean']:+.1f} {_bounds(base)}"
            cells_of = (f"{row['p_acc']:.1f}", _bounds(row), _bounds(crossed), versus)
            lines.append((row["generator"], *cells_of))
    if len(lines) == 1:
        return []
    text = (
        "Tasks share classes and so test images. These 95% intervals draw both again, tasks and "
        f"classes, each class with all of its test images (a bootstrap of {RESAMPLES:,} resamples, "
        "seeds as they are): what to expect with other classes and images of the same kind."
    )
    return [element("h3", "Intervals over classes and their images"), paragraph(text), table(lines)]


def _bounds(row: Row) -> str:
    return f"[{row['ci95'][0]:.1f}, {row['ci95'][1]:.1f}]" if row["ci95"] else ""


def studies(source: Source) -> Iterator[Markup]:
    for name, study in source.studies.items():
        parts: list[Markup] = []
        if name in source.plots:
            shown = picture(source.plots[name], "svg+xml", f"Plot of the study {study.title}")
            parts.append(figure(shown, study.caption()))
        if study.columns:
            parts.append(table(study.table(), stack=False))
        if name not in source.plots:
            parts.append(paragraph(study.caption(), soft=True))
        if study.note:
            parts.append(paragraph(study.note))
        yield section(study.title, *parts)
