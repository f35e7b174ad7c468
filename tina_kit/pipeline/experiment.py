"""One recipe and one seed: the stages from images to fitted generators, and their results."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import (
    Architecture,
    Classes,
    Context,
    Dataset,
    Generator,
    ImagePrompts,
    Images,
    Split,
    Train,
    UserError,
    Zoo,
)
from tina_kit.pipeline.compute import Compute, not_now
from tina_kit.pipeline.conditions import Conditions, Source
from tina_kit.pipeline.draws import Draws, without
from tina_kit.pipeline.exchange import ImportedZoo, imported_zoo
from tina_kit.pipeline.images import Pictures, kept_as_prompts
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import NamedPart, Recipe, ResolvedPart
from tina_kit.store import Draft, Store
from tina_kit.training import Progress, Trainer, resolve_precision, silent


class Experiment:
    """Stages are declared before anything is computed; results are read when they are asked for.

    Nothing here selects on test images or OOD tasks. precision: what "auto" came to in the run
    whose results are read, where this is another machine.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        store: Store,
        device: torch.device,
        progress: Progress = silent,
        precision: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.seed = seed
        self.store = store
        self.device = device
        self.progress = progress
        self.precision = precision or resolve_precision(recipe.core.precision, device)
        self._compute = Compute(self)

    # What the recipe names.

    @cached_property
    def dataset(self) -> Dataset:
        return self.recipe.dataset.build()  # type: ignore[no-any-return]

    @cached_property
    def architecture(self) -> Architecture:
        return self.recipe.architecture.build()  # type: ignore[no-any-return]

    @cached_property
    def classes(self) -> Classes:
        dataset = self.dataset
        try:
            return Classes(list(dataset.class_names), dataset.superclasses)
        except UserError as error:
            raise UserError(f"{self.recipe.where('dataset')}: dataset: {error}") from error

    @property
    def class_names(self) -> list[str]:
        return list(self.classes.names)

    @cached_property
    def tasks(self) -> dict[str, Tensor]:
        """ "id", "ood" and the sampler's own test splits: int64 `(T, C)`, -1 where absent."""
        drawn = self._draws.tasks
        return drawn if self.imported is None else self.imported.in_place_of_id(drawn)

    @cached_property
    def imported(self) -> ImportedZoo | None:
        """The zoo that the recipe names, whose tasks are the ID tasks."""
        return imported_zoo(self)

    @cached_property
    def seen(self) -> Tensor:
        """int64 `(K',)`: the classes that anything trained may see."""
        return self._draws.seen

    def tasks_of(self, classes: int) -> Tensor:
        """OOD tasks of so many classes, int64 `(T, classes)`."""
        return without(self._draws.of(classes), self.tasks["id"])

    @cached_property
    def _draws(self) -> Draws:
        return Draws(self.recipe, self.classes, self.seed)

    # Stages.

    @cached_property
    def images_stage(self) -> Stage:
        settings = {**self.recipe.dataset.settings(), **self._validating}
        return self._stage("images", "images", settings, self._compute.images)

    @cached_property
    def generic_stage(self) -> Stage:
        settings = {
            "architecture": self.recipe.architecture.settings(),
            "training": self.recipe.core.generic.model_dump(mode="json"),
            "seed": self.seed,
            "precision": self.precision,
            "seen": self._seen_setting,
        }
        return self._stage("generic", "generic", settings, self._compute.generic, self.images_stage)

    @cached_property
    def features_stage(self) -> Stage:
        """What the frozen part of the network makes of the images; where there is none, nothing
        is kept and this is the generic model's stage."""
        if not self.architecture.frozen_features:
            return self.generic_stage
        return self._stage("features", "features", {}, self._compute.features, self.generic_stage)

    @cached_property
    def zoo_stages(self) -> dict[str, tuple[Stage, ...]]:
        """Shards by split: each is keyed by its own tasks, so that a zoo grows at its end."""
        stages = {split: self.shards(tasks, split) for split, tasks in self.tasks.items()}
        return stages if self.imported is None else {**stages, "id": (self.imported.stage,)}

    def shards(self, tasks: Tensor, split: str) -> tuple[Stage, ...]:
        """The stages that fine-tune the p-Models of these tasks."""
        parts = tasks.split(self.recipe.core.finetune.shard)
        return tuple(
            self._stage(
                "zoo",
                f"zoo/{split} {number}/{len(parts)}",
                {
                    "training": self._finetune_setting,
                    "tasks": part.tolist(),
                    "seed": self.seed,
                    "precision": self.precision,
                },
                self._compute.shard(part, f"zoo/{split} {number}/{len(parts)}"),
                self.features_stage,
            )
            for number, part in enumerate(parts, 1)
        )

    def fit_stage(self, generator: NamedPart) -> Stage:
        """Depends on the ID shards alone: nothing else of the zoo is ever learned from."""
        settings = {
            "generator": generator.part.settings(fitting=True),
            "seed": self.seed,
            "precision": self.precision,
        }
        if self.imported is not None:  # else it is in the keys of the zoo's shards
            settings["finetune"] = self._finetune_setting
        after = [self.features_stage, self.conditions.text_stage, *self.zoo_stages["id"]]
        if generator.part.build().prompts == "image":
            after.append(self.conditions.image_stage)
        after += [self.fit_stage(other) for other in self._inherited(generator).values()]
        return self._stage(
            "fit", f"fit/{generator.name}", settings, self._compute.fit(generator), *after
        )

    def conditions_by(self, part: ResolvedPart) -> Conditions:
        """Prompts embedded by another conditioner than the recipe's."""
        train, validating = partial(self.images, "train"), bool(self._validating)
        pictures = partial(Pictures, self.dataset, train, validating)
        seen = self._seen_setting
        source = Source(self.class_names, pictures, self.images_stage, seen, self.precision)
        return Conditions(part, source, self.store, self.device, self.trainer, self.progress)

    @cached_property
    def conditions(self) -> Conditions:
        return self.conditions_by(self.recipe.conditioner)

    # Their results.

    def images(self, split: Split) -> Images:
        tensors = self.images_stage.open(self.store).tensors("images.safetensors")
        return Images(tensors[f"{split}.images"], tensors[f"{split}.labels"])

    @cached_property
    def generic_module(self) -> torch.nn.Module:
        module = self.architecture.build(len(self.seen))
        state = self.generic_stage.open(self.store).tensors("generic.safetensors")
        module.load_state_dict(state)
        return module.eval()

    @cached_property
    def frozen(self) -> dict[str, Tensor]:
        """The generic model's state."""
        return dict(self.generic_module.state_dict())

    @cached_property
    def generic_vector(self) -> Tensor:
        """float32 `(P_K',)`, rows of the classes in `seen`."""
        return self.architecture.layout(len(self.seen)).flatten(self.frozen)

    def inputs(self, split: Split) -> Callable[[Tensor], Tensor]:
        """int64 indices of any shape → `(*shape, ...)`, what `forward_many` takes.

        Features are read when they are first asked for and stay on the device only as long as the
        function: those of all the networks that a study varies would fill it.
        """
        device = self.device
        if not self.architecture.frozen_features:
            images = self.images(split).images
            return lambda index: self.architecture.normalise(images[index].to(device))

        @cache
        def features() -> Tensor:
            entry = self.features_stage.open(self.store)
            return entry.tensors("features.safetensors")[split].to(device)

        return lambda index: features()[index.to(device)]

    def vectors(self, split: str) -> Tensor:
        """float32 `(T, P)`, the fine-tuned p-Models of a split."""
        opened = [stage.open(self.store) for stage in self.zoo_stages[split]]
        return torch.cat([shard.tensors("zoo.safetensors")["vectors"] for shard in opened])

    def zoo(self, prompts: str = "text") -> Zoo:
        """The ID tasks' p-Models; with the training images' embeddings where prompts are images."""
        tasks = self.tasks["id"]
        images = None
        if prompts == "image":
            labels = self.images("train").labels
            free = ~kept_as_prompts(labels)
            images = ImagePrompts(self.conditions.image_rows[free], labels[free])
        return Zoo(self.vectors("id"), tasks, self.conditions.of_tasks(tasks), images)

    def set_up(
        self,
        named: NamedPart,
        train: Train | None = None,
        shards: dict[str, tuple[Stage, ...]] | None = None,
    ) -> Generator:
        """A generator that knows the run but has not learned.

        train: only while it fits; shards: those that a control may look at, by split.
        """
        generator: Generator = named.part.build()
        generator.setup(
            Context(
                architecture=self.architecture,
                classes=self.tasks["id"].shape[1],
                class_count=len(self.class_names),
                width=self.conditions.rows.shape[1],
                padding=self.conditions.padding,
                generic=self.generic_vector,
                generic_classes=self.seen,
                frozen=self.frozen,
                device=self.device,
                train=train or not_now,
                learning=self._compute.learning(train or not_now),
                personalise=self._compute.personalised(
                    (shards or self.zoo_stages) if generator.personalises else {}
                ),
                inherited={
                    option: self.fit_stage(other).open(self.store).folder
                    for option, other in self._inherited(named).items()
                },
            )
        )
        return generator

    def fitted(
        self, named: NamedPart, shards: dict[str, tuple[Stage, ...]] | None = None
    ) -> Generator:
        """A generator ready to generate."""
        generator = self.set_up(named, shards=shards)
        if generator.learns:
            generator.load(self.fit_stage(named).open(self.store).folder)
        return generator

    def trainer(self, label: str, draft: Draft, stream: str) -> Trainer:
        return Trainer(
            label=label,
            stream=stream,
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            checkpoints=draft.checkpoint,
            progress=self.progress,
        )

    # Small things.

    def _stage(self, room: str, name: str, settings: Any, compute: Any, *after: Stage) -> Stage:
        return Stage(room, name, settings, compute, after, self.seed)

    @property
    def _finetune_setting(self) -> dict[str, Any]:
        return self.recipe.core.finetune.model_dump(mode="json", exclude={"shard"})

    @property
    def _validating(self) -> dict[str, str]:
        on = self.recipe.core.evaluation.on
        return {} if on == "test" else {"on": on}

    @cached_property
    def _seen_setting(self) -> list[int] | None:
        return None if len(self.seen) == len(self.class_names) else self.seen.tolist()

    def _inherited(self, named: NamedPart) -> dict[str, NamedPart]:
        """For each option that names another row, that row."""
        rows = {row.name: row for row in self.recipe.generators}
        return {option: rows[name] for option, name in named.part.rows().items()}
