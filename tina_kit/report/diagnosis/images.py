"""Rules about test images: whether there are enough, and what tasks that share them mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import BASELINES, Facts
from tina_kit.report.table import Row, interval

FEW = 10  # test images of a class


def few_images(facts: Facts) -> Findings:
    """Gains that the table is sure of, but that other test images might not show, and classes with
    so few images that their accuracy means nothing."""
    images = images_of_classes(facts.evaluations, facts.split)
    if not images:
        return
    counts = np.array(list(images.values()))
    typical, evidence = int(np.median(counts)), []
    if typical < FEW:
        evidence.append(
            f"A class has {typical} test image{'s' * (typical != 1)} (median), so that one image "
            f"is {100 / max(1, typical):.0f} points of its accuracy."
        )
    for name in _unsure(facts):
        row, crossed = facts.row(name, facts.split), facts.crossed(name, facts.split)
        assert row is not None and crossed is not None
        gain, (low, high) = row["vs_selection"], crossed["vs_base"]["ci95"]
        told = interval(gain["mean"], gain["ci95"], sign=True)
        times = ((gain["mean"] - low) / gain["mean"]) ** 2
        evidence.append(
            f"{name} gains {told} points over {_over(row)}, but "
            f"[{low:+.1f}, {high:+.1f}] over tasks and classes with their {counts.sum():,} "
            f"test images; about {times:.1f} times as many would be needed."
        )
    if evidence:
        yield Finding(
            "few-images",
            "note",
            "There are too few test images for such narrow intervals.",
            " ".join(evidence),
            "Keep more images for testing (test_fraction, where the data set has it), add images "
            "or classes, or claim no more than the wider interval.",
        )


def _unsure(facts: Facts) -> list[str]:
    """Generators whose gain is above zero over tasks, but not over classes as well."""
    found = []
    for name, bare in facts.bare.items():
        row, crossed = facts.row(name, facts.split), facts.crossed(name, facts.split)
        gain = (row or {}).get("vs_selection")
        wide = (crossed or {}).get("vs_base")
        sure = gain and gain["ci95"] and gain["ci95"][0] > 0
        if bare not in BASELINES and sure and wide and wide["ci95"] and wide["ci95"][0] <= 0:
            found.append(name)
    return found


def shared_images(facts: Facts) -> Findings:
    """Tasks that are measured on the same images: their intervals are too narrow for claims about
    other images."""
    name = facts.main or next(iter(facts.bare), None)
    drawn = facts.evaluations["tasks"].values()
    tasks = [np.array(seed[facts.split]) for seed in drawn if facts.split in seed]
    row = None if name is None else facts.row(name, facts.split)
    crossed = None if name is None else facts.crossed(name, facts.split)
    if not tasks or row is None or crossed is None or row["ci95"] is None or not crossed["ci95"]:
        return
    places, classes = tasks[0][tasks[0] >= 0], len(np.unique(tasks[0][tasks[0] >= 0]))
    times = len(places) / classes
    if times <= 1:
        return
    low, high = crossed["ci95"]
    yield Finding(
        "shared-images",
        "note",
        "Tasks share test images, so the table's ± says nothing about other images or classes.",
        f"The {len(tasks[0]):,} {facts.split.upper()} tasks use the images of {classes:,} classes, "
        f"each in {times:.1f} tasks on average. {name}: {interval(row['p_acc'], row['ci95'])} over "
        f"{_over(row)}, [{low:.1f}, {high:.1f}] over tasks and classes with their images.",
        "For a claim about other classes or images give the wider intervals: over_classes in "
        "results.json, and the table in report.html.",
    )


def _over(row: Row) -> str:
    """What the table's interval is over."""
    return "seeds" if row["seeds"] > 1 else "tasks"


def images_of_classes(evaluations: Mapping[str, Any], split: str) -> dict[int, int]:
    """Class → its number of test images, of the classes in tasks of the first seed."""
    tasks_of: Mapping[str, Any] = evaluations["tasks"]
    if not tasks_of:
        return {}
    seed, drawn = next(iter(tasks_of.items()))
    counts = [seeds[seed] for seeds in evaluations["counts"].values() if seed in seeds]
    counted = next((tests[split] for tests in counts if split in tests), None)
    if counted is None or split not in drawn:
        return {}
    tasks, total = np.array(drawn[split]), np.array(counted["total"])
    there = tasks >= 0
    return dict(zip(tasks[there].tolist(), total[there].tolist()))
