"""What diagnosis and report know of a finished run, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tina_kit.recipe.schema import Average
from tina_kit.report.results import GENERIC, ORACLE, PLUS, SELECTION
from tina_kit.report.table import Row


@dataclass(frozen=True)
class Curve:
    """The losses of one training. stage: its name, like `fit/tina-dit`; training: which of the
    stage's; points: (step, mean loss since the point before)."""

    stage: str
    seed: int
    training: int
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class ZooFacts:
    """A zoo from elsewhere. p_models: those that were looked at; common: the share of their squared
    length that is the same in all of them, between 0 and 1."""

    p_models: int
    common: float


@dataclass(frozen=True)
class Facts:
    """rows: of `results.json`; evaluations: the content of `evaluations.json`; average: see
    `results.accuracies`; over_classes: see `crossed.over_classes`.
    recipe: with every default, as in `resolved.yaml`; bare: generator → its component's name;
    readers: the generators that read text prompts.
    profile: that the recipe was run with.
    classes: the names of the data set's; conditions: float32 `(K, D)`, their embedded names.
    What the store no longer holds is empty or None.
    """

    rows: Sequence[Row]
    evaluations: Mapping[str, Any]
    average: Average
    over_classes: Sequence[Row]
    recipe: Mapping[str, Any]
    bare: Mapping[str, str]
    readers: Sequence[str]
    classes: Sequence[str]
    conditions: NDArray[np.float32] | None = None
    curves: Sequence[Curve] = field(default=())
    zoo: ZooFacts | None = None
    profile: str | None = None

    def row(self, generator: str, split: str) -> Row | None:
        found = (row for row in self.rows if row["generator"] == generator)
        return next((row for row in found if row["split"] == split), None)

    def crossed(self, generator: str, split: str) -> Row | None:
        """The intervals over tasks and classes."""
        found = (row for row in self.over_classes if row["generator"] == generator)
        return next((row for row in found if row["split"] == split), None)

    def named(self, component: str) -> str | None:
        """The first row that is such a component."""
        return next((name for name, bare in self.bare.items() if bare == component), None)

    @cached_property
    def split(self) -> str:
        """The split that the table is about: "ood", or "id" where no others were drawn."""
        return "ood" if any(row["split"] == "ood" for row in self.rows) else "id"

    @cached_property
    def main(self) -> str | None:
        """The generator that the run is about: the first that reads prompts, else the first that is
        no baseline; None if there are only baselines."""
        others = [name for name in self.bare if self.bare[name] not in BASELINES]
        return next((name for name in others if name in self.readers), next(iter(others), None))

    def options(self, generator: str) -> Mapping[str, Any]:
        """A generator's options as the recipe has them."""
        rows = self.recipe.get("generators", ())
        return next((row for row in rows if row.get("name") == generator), {})


BASELINES = (GENERIC, SELECTION, PLUS, ORACLE)
"""Components that others are compared with."""
