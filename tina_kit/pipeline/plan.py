"""All stages of a recipe, for every seed, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from tina_kit.pipeline.evaluate import evaluation_stage
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.memory import explaining_memory
from tina_kit.pipeline.stage import Stage, in_order
from tina_kit.pipeline.study import StudyRun
from tina_kit.recipe import Recipe
from tina_kit.store import Store, content_key
from tina_kit.training import Progress, silent


@dataclass(frozen=True)
class Plan:
    """What a run of `recipe` is made of. Nothing is computed and no image is read to plan it."""

    recipe: Recipe
    store: Store
    experiments: Sequence[Experiment]

    @classmethod
    def of(
        cls, recipe: Recipe, store: Store, device: torch.device, progress: Progress = silent
    ) -> Plan:
        seeds = recipe.core.seeds
        made = [Experiment(recipe, seed, store, device, progress) for seed in seeds]
        return cls(recipe, store, made)

    @cached_property
    def studies(self) -> dict[str, StudyRun]:
        """The recipe's studies by the names of their rows."""
        return {row.name: StudyRun(row, self.experiments) for row in self.recipe.studies}

    @cached_property
    def first(self) -> list[Stage]:
        """Images and prompts: what may be wrong with them is told before anything long begins."""
        goals: list[Stage] = []
        with explaining_memory(self.recipe, "planning"):
            for experiment in self.experiments:
                goals += [experiment.images_stage, experiment.conditions.text_stage]
            for study in self.studies.values():
                for _, theirs, ours in study.prompts:
                    goals += [theirs.text_stage, ours.text_stage]
            return in_order(goals)

    @cached_property
    def stages(self) -> list[Stage]:
        """Each stage once, after those that it needs and after `first`; seeds share the images and
        the conditions."""
        goals = list(self.first)
        with explaining_memory(self.recipe, "planning"):
            for experiment in self.experiments:
                goals += [evaluation_stage(experiment, row) for row in self.recipe.generators]
            for study in self.studies.values():
                goals += [stage for stages in study.stages for stage in stages]
            return in_order(goals)

    @cached_property
    def key(self) -> str:
        """Of the whole run: another one with this key has the same results."""
        average = self.recipe.core.evaluation.average
        return content_key([average, *(stage.key for stage in self.stages)])
