"""Behind the averages: tasks, classes, one task's confusions, losses, time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tina_kit.report.amounts import duration
from tina_kit.report.charts import Bar, bars, curves, matrix, ranked
from tina_kit.report.document.source import Source
from tina_kit.report.facts import Curve
from tina_kit.report.html import Markup, element, figure, section, side_by_side
from tina_kit.report.results import SELECTION, accuracies


def details(source: Source) -> Markup:
    differences = [*_by_task(source), *_by_class(source)]
    parts = [side_by_side(*differences)] if differences else []
    return section("Tasks and classes", *parts, *_confusion(source))


def _by_task(source: Source) -> Iterator[Markup]:
    facts = source.facts
    main, base = facts.main, source.facts.named(SELECTION)
    if main is None or base is None:
        return
    counts, split, differences = facts.evaluations["counts"], facts.split, []
    for seed, tests in counts[main].items():
        if split in tests and split in counts[base].get(seed, {}):
            mine, theirs = (counts[name][seed][split] for name in (main, base))
            differences.append(accuracies(mine, facts.average) - accuracies(theirs, facts.average))
    if differences:
        values = np.concatenate(differences)
        chart = ranked(values.tolist(), "tasks, in order", "points")
        yield figure(
            chart,
            f"{main} minus {base} on each {split.upper()} task: it is better on "
            f"{int((values > 0).sum()):,} of {len(values):,}, and worse on "
            f"{int((values < 0).sum()):,}.",
        )


def _by_class(source: Source) -> Iterator[Markup]:
    main, base = source.facts.main, source.facts.named(SELECTION)
    if main is None or base is None:
        return
    apart = source.accuracy_by_class(main) - source.accuracy_by_class(base)
    names = source.facts.classes
    known = [n for n in np.argsort(apart, kind="stable").tolist() if not np.isnan(apart[n])]
    if known:
        most, least = (f"{names[n]} ({apart[n]:+.0f})" for n in (known[-1], known[0]))
        yield figure(
            ranked(apart[known].tolist(), "classes, in order", "points"),
            f"{main} minus {base} on the test images of each class. It gains most on {most} and "
            f"least on {least}.",
        )


def _confusion(source: Source) -> list[Markup]:
    answers = source.answers
    if answers is None:
        return []
    counts = np.array(answers.confusion)
    right, total = int(counts.trace()), int(counts.sum())
    shown = matrix(answers.confusion, answers.classes, "true ↓ taken for →")
    text = (
        f"The p-Model that {answers.generator} makes for the first {answers.split.upper()} task of "
        f"seed {answers.seed}: {right:,} of {total:,} test images are right "
        f"({100 * right / max(1, total):.1f}%). Columns are numbered as the rows are."
    )
    return [element("h3", "One task"), figure(shown, text)]


def trainings(source: Source) -> Markup:
    groups: dict[tuple[str, int], list[Curve]] = {}
    for curve in source.facts.curves:
        if curve.points:
            groups.setdefault((curve.stage, curve.training), []).append(curve)
    several = {stage for stage, training in groups if training}
    charts = []
    for (stage, training), same in groups.items():
        series = {f"seed {curve.seed}": curve.points for curve in same}
        losses = [loss for points in series.values() for _, loss in points]
        logarithmic = min(losses) > 0 and max(losses) / min(losses) > 3
        number = f", training {training + 1}" if stage in several else ""
        what = "the generic model" if stage == "generic" else stage.removeprefix("fit/")
        label = "loss, logarithmic" if logarithmic else "loss"
        chart = curves(series, "step", label, logarithmic)
        charts.append(figure(chart, f"Training loss of {what}{number}."))
    return section("Trainings", side_by_side(*charts), *_time(source))


def _time(source: Source) -> list[Markup]:
    """Seconds by stage; shards and seeds together."""
    seconds: dict[str, float] = {}
    cached = 0
    for stage, took in zip(source.record["stages"], source.seconds):
        group = stage["name"].split(" ")[0]
        seconds[group] = seconds.get(group, 0.0) + (took or 0.0)
        cached += stage["state"] == "cached"
    rows = [Bar(name, value, duration(value)) for name, value in seconds.items()]
    text = f"Time by stage, {duration(sum(seconds.values()))} in all; shards and seeds together."
    if cached:
        text += (
            f" {cached:,} of {len(source.seconds):,} stages were in the store already; theirs is "
            "the time that they took when they were computed."
        )
    return [element("h3", "Time"), figure(bars(rows, " s"), text)]
