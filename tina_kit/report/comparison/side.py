"""A run that is compared, and what it measured task by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tina_kit.recipe.schema import Average
from tina_kit.report.results import accuracies

Task = tuple[str, ...]
"""Classes, in order."""


@dataclass(frozen=True)
class Side:
    """A run, or one of its generators, that is compared.

    label: a letter; folder: as the user named it; row: the generator, None for all that others
    have; record, recipe, results, evaluations: the content of `run.json`, `resolved.yaml`,
    `results.json` and `evaluations.json`; about: tags and note.
    """

    label: str
    folder: str
    row: str | None
    record: Mapping[str, Any]
    recipe: Mapping[str, Any]
    results: Mapping[str, Any]
    evaluations: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def title(self) -> str:
        return f"{self.folder}:{self.row}" if self.row else self.folder

    @property
    def average(self) -> Average:
        average: Average = self.results["average"]
        return average

    @property
    def seeds(self) -> list[str]:
        return list(self.evaluations["tasks"])

    @property
    def generators(self) -> list[str]:
        return list(self.evaluations["counts"])

    def measured(self, row: str, seed: str, split: str, average: Average) -> dict[Task, float]:
        """The p-Acc of each task in percent; empty if it was not measured. Of a task that was drawn
        twice, the first counts."""
        counted = self.evaluations["counts"][row].get(seed, {}).get(split)
        if counted is None:
            return {}
        classes = self.record["data"]["classes"]
        tasks = self.evaluations["tasks"][seed][split]
        values = accuracies(counted, average).tolist()
        if len(values) != len(tasks):
            raise ValueError(f"{len(values)} counts of {len(tasks)} tasks")
        found: dict[Task, float] = {}
        for task, value in zip(tasks, values):
            found.setdefault(tuple(classes[place] for place in task if place >= 0), value)
        return found
