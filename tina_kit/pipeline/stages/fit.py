"""Fitting: one stage for each row of the recipe whose generator learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import (
    Context,
    Generator,
    ImagePrompts,
    Learning,
    Train,
    Zoo,
)
from tina_kit.pipeline.forbidden import NoImages, no_look, no_training
from tina_kit.pipeline.learning import TrainingImages
from tina_kit.pipeline.pictures import kept_as_prompts
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import SharedStage, Stage
from tina_kit.pipeline.stages.conditions import Conditions
from tina_kit.pipeline.stages.features import Inputs
from tina_kit.pipeline.stages.zoo import (
    FineTuning,
    ImportedStage,
    ZooShards,
    ZooStage,
    p_models_of,
)
from tina_kit.recipe import NamedComponent
from tina_kit.store import Draft
from tina_kit.training import Probe, derived_seed
from tina_kit.zoo.training import train_further

_LOSSES = "losses.json"


class FitStage(SharedStage):
    """Depends on the ID shards alone: generators never learn from the rest of the zoo."""

    kind = "fit"
    version = 2

    def __init__(self, row: GeneratorRow) -> None:
        super().__init__(row.runtime, f"fit/{row.name}", row.seed)
        self.row = row

    @property
    def settings(self) -> Mapping[str, Any]:
        row = self.row
        settings = {
            "generator": row.named.component.settings(fitting=True),
            "seed": row.seed,
            "precision": self.runtime.precision,
        }
        # Otherwise both are in the keys of the shards.
        if not row.shards:
            settings["tasks"] = row.tasks.tolist()
        imported = any(isinstance(stage, ImportedStage) for stage in row.zoo.stages["id"])
        if imported or (row.looks and not row.shards):
            settings["finetune"] = row.tuning.setting
        return settings

    @property
    def after(self) -> Sequence[Stage]:
        row = self.row
        after: list[Stage] = [row.inputs.stage, row.conditions.text, *row.shards]
        if row.flags.prompts == "image":
            after.append(row.conditions.images)
        return [*after, *row.inherited.values()]

    def train(self, draft: Draft) -> Callable[[], None]:
        row = self.row
        trainer = self.runtime.trainer(self.name, draft, "fit", row.seed, self.runtime.ranks)
        generator = row.set_up(trainer)
        if row.probe_of is not None:
            trainer.probe, trainer.measurements = row.probe_of(generator), row.measurements
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(row.seed, "fit"))
            generator.fit(row.training_pairs())

        def write() -> None:
            generator.save(draft.folder)
            draft.save_json(_LOSSES, trainer.losses)

        return write

    def losses(self) -> list[list[tuple[int, float]]]:
        """For each training: (step, mean loss since the point before)."""
        found: list[list[tuple[int, float]]] = self.entry.json(_LOSSES)
        return found


class GeneratorRow:
    """One generator of the recipe: how it learns, and how it is made ready to generate.

    tasks: int64 `(T, C)`, the ID tasks; inherited: for each option that names another row, the
    stage that fits that row. probe_of: gives what measures a generator while it is fitted,
    `measurements` times in each of its trainings.
    """

    probe_of: Callable[[Generator], Probe] | None = None
    measurements = 0

    def __init__(
        self,
        runtime: Runtime,
        named: NamedComponent,
        inputs: Inputs,
        conditions: Conditions,
        zoo: ZooShards,
        tasks: Tensor,
        inherited: Mapping[str, FitStage],
        seed: int,
    ) -> None:
        self.runtime, self.named, self.seed = runtime, named, seed
        self.inputs, self.conditions, self.zoo = inputs, conditions, zoo
        self.tasks, self.inherited = tasks, inherited

    @property
    def name(self) -> str:
        return self.named.name

    @property
    def tuning(self) -> FineTuning:
        return self.zoo.tuning

    @cached_property
    def flags(self) -> Generator:
        """A generator whose flags are read, and nothing else."""
        generator: Generator = self.named.component.build()
        return generator

    @cached_property
    def stage(self) -> FitStage | None:
        """None if the generator does not learn."""
        return FitStage(self) if self.flags.learns else None

    @property
    def shards(self) -> Sequence[ZooStage]:
        """The stages that make the p-Models from which it learns."""
        return self.zoo.stages["id"] if "p-models" in self.flags.learns_from else ()

    @property
    def looks(self) -> bool:
        """Whether it learns from training images."""
        return "images" in self.flags.learns_from

    def set_up(
        self, train: Train | None = None, shards: Sequence[ZooStage] | None = None
    ) -> Generator:
        """A generator that knows the run but has not learned.

        train: given only for fitting; shards: the p-Models that a control may read, by default all.
        """
        generator: Generator = self.named.component.build()
        generic, conditions = self.inputs.generic, self.conditions
        generator.setup(
            Context(
                architecture=generic.architecture,
                classes=self.tasks.shape[1],
                class_count=generic.class_count,
                width=conditions.rows.shape[1],
                padding=conditions.padding,
                generic=generic.vector,
                generic_classes=generic.seen,
                frozen=generic.state,
                device=self.runtime.device,
                train=train or no_training,
                learning=self._learning(train) if train and self.looks else NoImages(),
                personalise=self._personalise(shards) if generator.personalises else no_look,
                inherited={option: stage.entry.folder for option, stage in self.inherited.items()},
            )
        )
        return generator

    def ready(self, shards: Sequence[ZooStage] | None = None) -> Generator:
        """A generator ready to generate."""
        generator = self.set_up(shards=shards)
        if self.stage is not None:
            generator.load(self.stage.entry.folder)
        return generator

    def training_pairs(self) -> Zoo:
        """What it learns from: ID tasks with their conditions and, if it asks for them, p-Models
        and embedded training images."""
        vectors = self.zoo.vectors("id") if self.shards else None
        images = None
        if self.flags.prompts == "image":
            labels = self.inputs.images.read("train").labels
            free = ~kept_as_prompts(labels)
            images = ImagePrompts(self.conditions.image_rows[free], labels[free])
        return Zoo(self.tasks, self.conditions.of_tasks(self.tasks), vectors, images)

    def _learning(self, train: Train) -> Learning:
        def tune(start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
            return self.tuning(start, tasks, train, epochs)

        data, generic = self.inputs.of("train"), self.inputs.generic

        def further(start: Tensor, epochs: float) -> Tensor:
            options = generic.options.model_copy(update={"epochs": epochs})
            pixels = None
            if not generic.architecture.frozen_features:
                pixels = self.inputs.images.read("train").images
            return train_further(data, pixels, generic.seen, start, options, self.seed, train)

        zoo_epochs = self.tuning.epochs_of(self.tasks, generic.seen)
        mirrored = cache(lambda: self.inputs.of("train", mirrored=True))
        return TrainingImages(data, mirrored, tune, further, zoo_epochs)

    def _personalise(self, shards: Sequence[ZooStage] | None) -> Callable[[Tensor], Tensor]:
        if shards is None:
            shards = [stage for stages in self.zoo.stages.values() for stage in stages]
        return p_models_of(shards, self.conditions.source.class_names)
