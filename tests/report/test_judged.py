"""Accuracy with intervals, confusions and mistakes, from probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from tina_kit.report.judged import judged
from tina_kit.report.judged_plot import confusion_png, mistakes_png
from tina_kit.report.statistics import wilson

SHARES = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.05, 0.9, 0.05]])


def found(labels: list[int], classes: list[str] | None = None, shares=SHARES):  # type: ignore[no-untyped-def]
    images = [np.full((3, 4, 4), place, np.uint8) for place in range(len(labels))]
    return judged(shares, labels, images, classes or ["a", "b", "c"], "images here", None)


def test_it_counts_confusions_and_keeps_the_worst_first() -> None:
    it = found([0, 1, 1, 2])
    assert it.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert (it.images, it.correct, it.accuracy) == (4, 2, 50)
    assert it.mean_over_classes == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert [(m.true, m.predicted, m.probability) for m in it.mistakes] == [(2, 1, 0.9), (1, 0, 0.6)]


@pytest.mark.parametrize(
    ("successes", "trials", "bounds"),
    [  # Newcombe (1998), Table I
        (81, 263, (25.53, 36.62)),
        (15, 148, (6.24, 16.05)),
        (0, 20, (0.0, 16.11)),
        (1, 29, (0.61, 17.18)),
        (20, 20, (83.89, 100.0)),
    ],
)
def test_wilsons_interval_is_as_published(successes, trials, bounds) -> None:
    assert wilson(successes, trials) == pytest.approx(bounds, abs=0.006)


def test_many_classes_are_told_by_their_most_frequent_confusions() -> None:
    classes = [f"class {n}" for n in range(30)]
    shares = np.eye(30)[[1, 1, 1, 2, 0]]
    text = "\n".join(found([0, 0, 1, 5, 0], classes, shares).lines())
    assert "class 0 → class 1" in text and "class 5 → class 2" in text and "taken for" not in text


def test_pictures_are_drawn_of_any_judgement() -> None:
    for it in (
        found([0, 1, 1, 2]),
        found([0, 1, 0, 1]),  # no mistakes
        found([0, 0, 1, 5, 0], [f"class {'x' * 40} {n}" for n in range(70)], np.eye(70)[:5]),
    ):
        for draw in (confusion_png, mistakes_png):
            assert draw(it)[:4] == b"\x89PNG"
            assert draw(it) == draw(it)
