"""Intervals over tasks and classes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.report.made import facts
from tina_kit.report.crossed import _mean, over_classes


def one(shares: np.ndarray, tasks: np.ndarray, average: str = "images", images: int = 1000) -> dict:
    total = np.full(tasks.shape, images)
    counts = {"correct": (shares * total).round().astype(int).tolist(), "total": total.tolist()}
    base = {"correct": (shares * 0).astype(int).tolist(), "total": total.tolist()}
    evaluations = {
        "tasks": {"0": {"ood": tasks.tolist()}},
        "counts": {"a": {"0": {"ood": counts}}, "low": {"0": {"ood": base}}},
    }
    row = over_classes(evaluations, average, "low")[0]  # type: ignore[arg-type]
    assert row["generator"] == "a"
    return row


def test_a_resample_is_what_repeating_its_tasks_and_classes_gives() -> None:
    random = np.random.default_rng(1)
    total = random.integers(1, 20, (5, 3)).astype(float)
    correct = np.floor(total * random.random((5, 3)))
    classes, tasks = random.integers(0, 3, (4, 5, 3)).astype(float), random.integers(0, 3, (4, 5))
    classes[0, 0] = 0  # a task of which no class was drawn counts nothing
    for resample in range(4):
        shares = []
        for task in range(5):
            weights = classes[resample, task]
            if weights.sum():
                right, of = (weights @ each[task] for each in (correct, total))
                shares += [right / of] * tasks[resample, task]
        expected = 100 * np.mean(shares)
        assert _mean(correct, total, classes, tasks)[resample] == pytest.approx(expected)


def test_tasks_of_the_same_classes_are_one_draw_of_classes() -> None:
    random = np.random.default_rng(0)
    shares = random.random(40)
    tasks = np.tile(np.arange(40), (30, 1))
    low, high = one(np.tile(shares, (30, 1)), tasks)["ci95"]
    # As if the classes had been asked once; over tasks the interval would have no width.
    half = 1.96 * 100 * shares.std() / np.sqrt(40)
    assert (low + high) / 2 == pytest.approx(100 * shares.mean(), abs=1)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_where_tasks_share_no_class_it_is_as_wide_as_over_tasks() -> None:
    random = np.random.default_rng(0)
    tasks = np.arange(200).reshape(100, 2)
    shares = np.repeat(random.random(100), 2).reshape(100, 2)
    low, high = one(shares, tasks)["ci95"]
    half = 1.96 * 100 * shares[:, 0].std() / np.sqrt(100)
    # Owen 2007: the product of both draws is a little wider.
    assert half < (high - low) / 2 < 1.5 * half


def test_a_difference_that_is_the_same_everywhere_has_no_width() -> None:
    tasks = np.array([np.random.default_rng(n).permutation(9)[:3] for n in range(20)])
    row = one(np.full((20, 3), 0.25), tasks)
    assert row["vs_base"]["mean"] == pytest.approx(25)
    assert row["vs_base"]["ci95"] == pytest.approx([25, 25])


def test_its_means_are_the_tables_and_the_same_call_gives_the_same() -> None:
    made = facts()
    for row in made.over_classes:
        versus = row.get("vs_base")
        if versus:
            table = made.row(row["generator"], row["split"])
            assert table is not None
            assert versus["mean"] == pytest.approx(table["vs_selection"]["mean"])
    assert facts().over_classes == made.over_classes


def test_absent_classes_and_averages_by_class_are_understood() -> None:
    tasks = np.array([[0, 1, -1], [1, 2, 3]])
    shares = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    total = np.where(tasks < 0, 0, np.array([[10, 30, 0], [30, 10, 10]]))
    counted = {"correct": (shares * total).astype(int).tolist(), "total": total.tolist()}
    evaluations = {
        "tasks": {"0": {"ood": tasks.tolist()}},
        "counts": {"a": {"0": {"ood": counted}}, "b": {"0": {"ood": counted}}},
    }
    by_class = over_classes(evaluations, "classes", "b")[0]
    assert by_class["vs_base"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    assert by_class["ci95"] == [0.0, 100.0]  # of two tasks, of which one may count alone
