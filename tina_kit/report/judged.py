"""How right one p-Model is: accuracy with intervals, by class, confusions, the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tina_kit.report.statistics import Array, wilson
from tina_kit.report.table import interval, text_lines

WORST = 24
"""Mistakes that are kept: those of which the p-Model was most certain."""
_TABULATED = 20  # classes of a confusion matrix that is printed whole
_LISTED = 10  # confusions that are printed otherwise


@dataclass(frozen=True)
class Mistake:
    """image: its path, or its pixels, uint8 `(3, H, W)`; true, predicted: places among the classes;
    probability: of the predicted class."""

    image: Any
    true: int
    predicted: int
    probability: float


@dataclass(frozen=True)
class Judgement:
    """The answers of a p-Model to labelled images.

    classes: its classes; confusion: int `(C, C)`, images of the row's class that were taken for the
    column's; mistakes: the worst, most certain first; about: the images, in words; expected: what
    the p-Model's file expects, None if nothing.
    """

    classes: tuple[str, ...]
    confusion: Any
    mistakes: Sequence[Mistake]
    about: str
    expected: Mapping[str, Any] | None = None

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        """Percent of the images: p-Acc with `evaluation.average: images`."""
        return 100 * self.correct / self.images

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's 95% interval of the accuracy, over images."""
        return wilson(self.correct, self.images)

    @property
    def mean_over_classes(self) -> float:
        """Percent: p-Acc with `evaluation.average: classes`; classes without images do not
        count."""
        shares = [row["accuracy"] for row in self.by_class if row["accuracy"] is not None]
        return float(np.mean(shares))

    @property
    def by_class(self) -> list[dict[str, Any]]:
        """For each class `class`, `images`, `correct`, `accuracy` (percent) and `ci95`; the last
        two are None without images."""
        return [
            {
                "class": name,
                "images": int(row.sum()),
                "correct": int(row[place]),
                "accuracy": 100 * float(row[place]) / int(row.sum()) if row.sum() else None,
                "ci95": list(wilson(int(row[place]), int(row.sum()))) if row.sum() else None,
            }
            for place, (name, row) in enumerate(zip(self.classes, self.confusion))
        ]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "images": self.images,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "ci95": list(self.ci95),
            "mean_over_classes": self.mean_over_classes,
            "classes": self.by_class,
            "confusion": self.confusion.tolist(),
            "mistakes": [
                {
                    "image": each.image if isinstance(each.image, str) else None,
                    "true": self.classes[each.true],
                    "predicted": self.classes[each.predicted],
                    "probability": each.probability,
                }
                for each in self.mistakes
            ],
            "about": self.about,
            "expected": self.expected,
        }

    def lines(self, columns: int | None = None) -> Iterator[str]:
        """Tables as text. columns: to fit them in, None for any number."""
        rows = [
            (
                row["class"],
                f"{row['images']:,}",
                "" if row["ci95"] is None else f"{row['accuracy']:.1f} {_bounds(row['ci95'])}",
            )
            for row in self.by_class
        ]
        total = (
            "all images",
            f"{self.images:,}",
            f"{self.accuracy:.1f} {_bounds(self.ci95)}",
        )
        yield from text_lines([("class", "images", "accuracy [95%]"), *rows, total], columns)
        yield ""
        if len(self.classes) <= _TABULATED:
            # Columns by number: names would make them too wide.
            heads = ("taken for →", *(str(n) for n in range(1, len(self.classes) + 1)))
            named = [f"{n}  {name}" for n, name in enumerate(self.classes, 1)]
            cells = [
                (name, *(str(count) if count else "·" for count in row))
                for name, row in zip(named, self.confusion.tolist())
            ]
            yield from text_lines([heads, *cells], columns)
        else:
            yield from text_lines([("most frequent mistakes", "images"), *self._common()], columns)

    @property
    def caption(self) -> str:
        text = (
            f"Accuracy in percent [Wilson's 95% interval over images] on {self.about}; mean over "
            f"classes {self.mean_over_classes:.1f}."
        )
        if self.expected is None:
            return text
        told = interval(self.expected["p_acc"], self.expected["ci95"])
        return (
            f"{text} The generator's p-Acc on the run's own {self.expected['tasks']} tasks, of up "
            f"to {self.expected['classes']} classes: {told}."
        )

    def _common(self) -> list[tuple[str, str]]:
        wrong = np.array(self.confusion)
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:_LISTED]
        places = [divmod(int(place), len(self.classes)) for place in order]
        return [
            (f"{self.classes[true]} → {self.classes[taken]}", str(wrong[true, taken]))
            for true, taken in places
            if wrong[true, taken]
        ]


def judged(
    probabilities: Array,
    labels: Sequence[int],
    sources: Sequence[Any],
    classes: Sequence[str],
    about: str,
    expected: Mapping[str, Any] | None,
) -> Judgement:
    """probabilities: `(N, C)`, N ≥ 1; labels: the place of each image's class; sources: the images,
    as in `Mistake`."""
    predicted, true = probabilities.argmax(1), np.asarray(labels)
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(confusion, (true, predicted), 1)
    certain = probabilities.max(1)
    wrong = np.flatnonzero(predicted != true)
    worst = wrong[np.argsort(-certain[wrong], kind="stable")][:WORST]
    mistakes = [
        Mistake(sources[place], int(true[place]), int(predicted[place]), float(certain[place]))
        for place in worst.tolist()
    ]
    return Judgement(tuple(classes), confusion, mistakes, about, expected)


def _bounds(ci95: Sequence[float]) -> str:
    return f"[{ci95[0]:.1f}, {ci95[1]:.1f}]"
