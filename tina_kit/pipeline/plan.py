"""All stages of a recipe, for every seed, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import torch

from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.memory import explaining_memory
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage, in_order
from tina_kit.pipeline.study import StudyRun
from tina_kit.recipe import Recipe
from tina_kit.store import Store, content_key
from tina_kit.training import ALONE, Observers, Ranks


@dataclass(frozen=True)
class Plan:
    """The stages of a run of `recipe`. Planning computes nothing and reads no image."""

    recipe: Recipe
    runtime: Runtime
    experiments: Sequence[Experiment]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        store: Store,
        device: torch.device,
        observer: Observers | None = None,
        ranks: Ranks = ALONE,
    ) -> Plan:
        runtime = Runtime.of(store, device, recipe.core.precision, observer, ranks)
        made = [Experiment(recipe, seed, runtime) for seed in recipe.core.seeds]
        return cls(recipe, runtime, made)

    @property
    def store(self) -> Store:
        return self.runtime.store

    @cached_property
    def studies(self) -> dict[str, StudyRun]:
        """The recipe's studies by name."""
        return {row.name: StudyRun(row, self.experiments) for row in self.recipe.studies}

    @cached_property
    def first(self) -> list[Stage]:
        """Images and prompts, so that mistakes in them are reported before anything long begins."""
        goals: list[Stage] = []
        with explaining_memory(self.recipe, "planning"):
            for experiment in self.experiments:
                goals += [experiment.images, experiment.conditions.text]
            for study in self.studies.values():
                for _, theirs, ours in study.prompts:
                    goals += [theirs.text, ours.text]
            return in_order(goals)

    @cached_property
    def stages(self) -> list[Stage]:
        """Each stage once, after those that it needs and after `first`; seeds share images and
        conditions."""
        goals = list(self.first)
        with explaining_memory(self.recipe, "planning"):
            for experiment in self.experiments:
                for row in self.recipe.generators:
                    goals += experiment.measurements(row)
            for study in self.studies.values():
                goals += [stage for stages in study.stages for stage in stages]
            return in_order(goals)

    def fetch(self) -> None:
        """Fetch what other machines have uploaded, many results at a time."""
        note = partial(self.runtime.observer.note, self.stages[0].info())
        self.store.fetch(((stage.kind, stage.key) for stage in self.stages), note)

    def facts(self) -> dict[str, Any]:
        """The stages as plain data, as `run --dry-run --json` prints them."""
        stages = [asdict(stage.info()) for stage in self.stages]
        return {"key": self.key, "store": self.store.place, "stages": stages}

    @cached_property
    def key(self) -> str:
        """The key of the whole run: runs with the same key have the same results."""
        average = self.recipe.core.evaluation.average
        return content_key([average, *(stage.key for stage in self.stages)])
