"""What the page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.facts import Facts
from tina_kit.report.statistics import Array
from tina_kit.report.studies import StudyReport


@dataclass(frozen=True)
class ClassImages:
    """train, test: the number of images of each class; size: their height and width; samples: JPEG
    pictures of some training images, by class."""

    train: Sequence[int]
    test: Sequence[int]
    size: tuple[int, int]
    samples: Mapping[int, Sequence[bytes]]


@dataclass(frozen=True)
class TaskAnswers:
    """The answers of one p-Model to the test images of its task.

    generator, seed, split: whose it is; classes: their names; confusion: int `(C, C)`, images of
    the row's class that were taken for the column's.
    """

    generator: str
    seed: int
    split: str
    classes: Sequence[str]
    confusion: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Part:
    """A component of the recipe. role: what it is for; name: its full name; summary: of what it
    is, in a line."""

    role: str
    name: str
    summary: str


@dataclass(frozen=True)
class Source:
    """name, record: of the run and the content of its `run.json`; about: the images and prompts
    with which it was measured; validating: whether these are no test images; findings: of the
    diagnosis; parts: of the recipe; changed: key, value and default of the settings that are not
    the default, as text; seconds: that each stage of the record took when it was computed, None if
    that is not known; plots: of studies, SVG, by name. images, answers: None if the store no
    longer has them."""

    name: str
    record: Mapping[str, Any]
    facts: Facts
    about: str
    validating: bool
    findings: Sequence[Finding]
    parts: Sequence[Part]
    changed: Sequence[tuple[str, str, str]]
    seconds: Sequence[float | None]
    studies: Mapping[str, StudyReport] = field(default_factory=dict)
    plots: Mapping[str, bytes] = field(default_factory=dict)
    images: ClassImages | None = None
    answers: TaskAnswers | None = None

    def accuracy_by_class(self, generator: str) -> Array:
        """float64 `(K,)`: percent of each class's test images that were right in all tasks of the
        table together, NaN for a class in none of them."""
        evaluations, split = self.facts.evaluations, self.facts.split
        correct, total = np.zeros((2, len(self.facts.classes)))
        for seed, tests in evaluations["counts"][generator].items():
            if split in tests:
                tasks = np.array(evaluations["tasks"][seed][split])
                there = tasks >= 0
                np.add.at(correct, tasks[there], np.array(tests[split]["correct"])[there])
                np.add.at(total, tasks[there], np.array(tests[split]["total"])[there])
        known = np.where(total > 0, total, np.nan)
        return np.asarray(100 * correct / known)
