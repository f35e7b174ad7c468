"""All stages of a recipe, for every seed, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from tina_kit.pipeline.evaluate import evaluation_stage
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.stage import Stage
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
    def stages(self) -> list[tuple[Experiment, Stage]]:
        """Each stage once: seeds share the images and the conditions."""
        found: dict[tuple[str, str], tuple[Experiment, Stage]] = {}
        for experiment in self.experiments:
            stages = list(experiment.stages)
            for named in self.recipe.generators:
                evaluation = evaluation_stage(experiment, named)
                stages += [*(s for s in evaluation.after if s.room == "fit"), evaluation]
            for stage in stages:
                found.setdefault((stage.room, stage.key), (experiment, stage))
        return list(found.values())

    @cached_property
    def key(self) -> str:
        """Of the whole run: another one with this key has the same results."""
        return content_key([stage.key for _, stage in self.stages])
