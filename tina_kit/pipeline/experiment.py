"""One recipe and one seed: the stages from images to fitted generators, and their results."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import (
    Architecture,
    Conditioner,
    Context,
    Dataset,
    Generator,
    Images,
    Request,
    Split,
    TaskSampler,
    UserError,
    Zoo,
)
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import NamedPart, Recipe
from tina_kit.store import Draft, Store
from tina_kit.training import Progress, Trainer, derived_seed, resolve_precision, silent
from tina_kit.zoo.training import finetune, train_generic

GIBBERISH = 100  # prompts that mean nothing, from which the control draws


class Experiment:
    """Stages are declared before anything is computed; results are read when they are asked for.

    Nothing here selects on test images or OOD tasks.
    """

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        store: Store,
        device: torch.device,
        progress: Progress = silent,
    ) -> None:
        self.recipe = recipe
        self.seed = seed
        self.store = store
        self.device = device
        self.progress = progress
        self.precision = resolve_precision(recipe.core.precision, device)

    # What the recipe names.

    @cached_property
    def dataset(self) -> Dataset:
        return self.recipe.dataset.build()  # type: ignore[no-any-return]

    @cached_property
    def architecture(self) -> Architecture:
        return self.recipe.architecture.build()  # type: ignore[no-any-return]

    @cached_property
    def conditioner(self) -> Conditioner:
        return self.recipe.conditioner.build()  # type: ignore[no-any-return]

    @cached_property
    def class_names(self) -> list[str]:
        try:
            return list(self.dataset.class_names)
        except UserError as error:
            raise UserError(f"{self.recipe.where('dataset')}: dataset: {error}") from error

    @cached_property
    def tasks(self) -> dict[str, Tensor]:
        """ "id" and "ood": int64 `(T, C)`."""
        sampler: TaskSampler = self.recipe.tasks.build()
        try:
            return sampler.draw(self.class_names, self.seed)
        except UserError as error:
            raise UserError(f"{self.recipe.where('tasks', 'classes')}: tasks: {error}") from error

    # Stages.

    @cached_property
    def images_stage(self) -> Stage:
        return Stage("images", "images", self.recipe.dataset.settings(), self._compute_images)

    @cached_property
    def generic_stage(self) -> Stage:
        settings = {
            "architecture": self.recipe.architecture.settings(),
            "training": self.recipe.core.generic.model_dump(mode="json"),
            "seed": self.seed,
            "precision": self.precision,
        }
        after = (self.images_stage,)
        return Stage("generic", "generic", settings, self._compute_generic, after)

    @cached_property
    def zoo_stages(self) -> dict[str, tuple[Stage, ...]]:
        """Shards by split: each is keyed by its own tasks, so that a zoo grows at its end."""
        size = self.recipe.core.finetune.shard
        training = self.recipe.core.finetune.model_dump(mode="json", exclude={"shard"})
        shards: dict[str, tuple[Stage, ...]] = {}
        for split, tasks in self.tasks.items():
            parts = tasks.split(size)
            shards[split] = tuple(
                Stage(
                    "zoo",
                    f"zoo/{split} {number}/{len(parts)}",
                    {
                        "training": training,
                        "tasks": part.tolist(),
                        "seed": self.seed,
                        "precision": self.precision,
                    },
                    self._zoo_compute(part, f"zoo/{split} {number}/{len(parts)}"),
                    (self.generic_stage,),
                )
                for number, part in enumerate(parts, 1)
            )
        return shards

    @cached_property
    def conditions_stage(self) -> Stage:
        settings = {
            "conditioner": self.recipe.conditioner.settings(),
            "prompts": self.class_names,
            "gibberish": GIBBERISH,
        }
        return Stage("conditions", "conditions", settings, self._compute_conditions)

    def fit_stage(self, generator: NamedPart) -> Stage:
        """Depends on the ID shards alone: nothing else of the zoo is ever learned from."""
        settings = {
            "generator": generator.part.settings(),
            "seed": self.seed,
            "precision": self.precision,
        }
        after = (self.generic_stage, self.conditions_stage, *self.zoo_stages["id"])

        def compute(draft: Draft) -> None:
            trainer = self._trainer(f"fit/{generator.name}", draft, "fit")
            built = self.set_up(generator, trainer)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derived_seed(self.seed, "fit"))
                built.fit(self.zoo)
            built.save(draft.folder)
            draft.save_json("losses.json", trainer.losses)

        return Stage("fit", f"fit/{generator.name}", settings, compute, after)

    @property
    def stages(self) -> list[Stage]:
        """All of them up to the zoo and the conditions, in order."""
        zoo = [stage for split in self.zoo_stages.values() for stage in split]
        return [self.images_stage, self.generic_stage, *zoo, self.conditions_stage]

    # Their results.

    def images(self, split: Split) -> Images:
        tensors = self.images_stage.open(self.store).tensors("images.safetensors")
        return Images(tensors[f"{split}.images"], tensors[f"{split}.labels"])

    @cached_property
    def generic_module(self) -> torch.nn.Module:
        module = self.architecture.build(len(self.class_names))
        state = self.generic_stage.open(self.store).tensors("generic.safetensors")
        module.load_state_dict(state)
        return module.eval()

    @cached_property
    def generic_vector(self) -> Tensor:
        """float32 `(P_K,)`."""
        layout = self.architecture.layout(len(self.class_names))
        return layout.flatten(self.generic_module.state_dict())

    def inputs(self, split: Split) -> Tensor:
        with torch.inference_mode():
            return self.architecture.inputs(self.generic_module, self.images(split).images)

    def vectors(self, split: str) -> Tensor:
        """float32 `(T, P)`, the fine-tuned p-Models of a split."""
        shards = [stage.open(self.store) for stage in self.zoo_stages[split]]
        return torch.cat([shard.tensors("zoo.safetensors")["vectors"] for shard in shards])

    @cached_property
    def condition_rows(self) -> Tensor:
        """float32 `(K, D)`: the condition of every class."""
        return self.conditions_stage.open(self.store).tensors("conditions.safetensors")["classes"]

    @property
    def gibberish_rows(self) -> Tensor:
        entry = self.conditions_stage.open(self.store)
        return entry.tensors("conditions.safetensors")["gibberish"]

    @property
    def zoo(self) -> Zoo:
        tasks = self.tasks["id"]
        return Zoo(self.vectors("id"), tasks, self.condition_rows[tasks])

    def personalise(self, tasks: Tensor) -> Tensor:
        """The zoo's own p-Models of these tasks, `(T, P)`."""
        known = {
            tuple(task): vector
            for split in self.tasks
            for task, vector in zip(self.tasks[split].tolist(), self.vectors(split))
        }
        if missing := [task for task in tasks.tolist() if tuple(task) not in known]:
            names = ", ".join(self.class_names[index] for index in missing[0])
            raise UserError(f"no p-Model was fine-tuned for the task {names}")
        return torch.stack([known[tuple(task)] for task in tasks.tolist()])

    def set_up(self, named: NamedPart, trainer: Trainer | None = None) -> Generator:
        """A generator that knows the run but has not learned."""
        generator: Generator = named.part.build()
        generator.setup(
            Context(
                architecture=self.architecture,
                classes=self.tasks["id"].shape[1],
                class_count=len(self.class_names),
                width=self.condition_rows.shape[1],
                generic=self.generic_vector,
                device=self.device,
                train=trainer or _no_training,
                personalise=self.personalise,
            )
        )
        return generator

    def fitted(self, named: NamedPart) -> Generator:
        """A generator ready to generate."""
        generator = self.set_up(named)
        if generator.learns:
            generator.load(self.fit_stage(named).open(self.store).folder)
        return generator

    def generate(self, generator: Generator, conditions: Tensor, tasks: Tensor | None) -> Tensor:
        seed = derived_seed(self.seed, "generate")
        return generator.generate(Request(conditions, tasks, seed))

    # How they are computed.

    def _compute_images(self, draft: Draft) -> None:
        tensors = {}
        splits: tuple[Split, ...] = ("train", "test")
        for split in splits:
            images = self.dataset.load(split)
            tensors[f"{split}.images"] = images.images
            tensors[f"{split}.labels"] = images.labels
        draft.save_tensors("images.safetensors", tensors)

    def _compute_generic(self, draft: Draft) -> None:
        trainer = self._trainer("generic", draft, "generic")
        images = self.images("train")
        options = self.recipe.core.generic
        module = train_generic(
            self.architecture, images, len(self.class_names), options, self.seed, trainer
        )
        draft.save_tensors("generic.safetensors", module.state_dict())
        draft.save_json("losses.json", trainer.losses)

    def _zoo_compute(self, tasks: Tensor, name: str) -> Callable[[Draft], None]:
        def compute(draft: Draft) -> None:
            layout = self.architecture.layout(len(self.class_names))
            vectors = finetune(
                self.architecture,
                self.inputs("train"),
                self.images("train").labels,
                len(self.class_names),
                tasks,
                layout.take_classes(self.generic_vector.expand(len(tasks), -1), tasks),
                self.recipe.core.finetune,
                self.seed,
                self._trainer(name, draft, "zoo"),
            )
            draft.save_tensors("zoo.safetensors", {"vectors": vectors, "tasks": tasks})

        return compute

    def _compute_conditions(self, draft: Draft) -> None:
        tensors = {
            "classes": self.conditioner.embed(self.class_names),
            "gibberish": self.conditioner.gibberish(GIBBERISH, derived_seed("gibberish")),
        }
        draft.save_tensors("conditions.safetensors", tensors)

    def _trainer(self, label: str, draft: Draft, stream: str) -> Trainer:
        return Trainer(
            label=label,
            stream=stream,
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            checkpoints=draft.checkpoint,
            progress=self.progress,
        )


def _no_training(*_: Any) -> None:
    raise RuntimeError("a generator may train in `fit` alone")
