"""The zoo: fine-tuned p-Models, one stage per shard of tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import Train, UserError
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.features import Inputs
from tina_kit.pipeline.stages.generic import GenericStage
from tina_kit.recipe.component import keyed
from tina_kit.recipe.schema import FinetuneOptions
from tina_kit.store import Draft, content_of
from tina_kit.zoo.archive import TENSORS, read
from tina_kit.zoo.batches import joined
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.training import finetune, finetuning_steps

_FILE = "zoo.safetensors"


class ZooStage(Stage):
    """p-Models of some tasks. Each shard is keyed by its own tasks, so a zoo grows at its end."""

    kind = "zoo"
    version = 4

    def vectors(self) -> Tensor:
        """float32 `(T, P)`."""
        return self.entry.tensors(_FILE)["vectors"]

    def p_models(self) -> dict[tuple[int, ...], Tensor]:
        """task → float32 `(P,)`."""
        tensors = self.entry.tensors(_FILE)
        return dict(zip(map(tuple, tensors["tasks"].tolist()), tensors["vectors"]))

    def _save(self, draft: Draft, vectors: Tensor, tasks: Tensor) -> None:
        draft.save_tensors(_FILE, {"vectors": vectors, "tasks": tasks})


class ShardStage(ZooStage):
    """Fine-tunes the p-Models of a shard side by side."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        shard: str,
        inputs: Inputs,
        tuning: FineTuning,
        tasks: Tensor,
    ) -> None:
        super().__init__(runtime, name, tuning.seed, shard)
        self.inputs, self.tuning, self.tasks = inputs, tuning, tasks

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "training": self.tuning.setting,
            "tasks": self.tasks.tolist(),
            "seed": self.tuning.seed,
            "precision": self.runtime.precision,
        }

    @property
    def after(self) -> Sequence[Stage]:
        return (self.inputs.stage,)

    @property
    def units(self) -> int:
        return len(self.tasks)

    @property
    def form(self) -> str:
        return self.inputs.form

    def compute(self, draft: Draft) -> None:
        # Other ranks begin with the shards after this one.
        ranks = self.runtime.ranks
        if ranks.first and ranks.once(f"{self.group}, seed {self.seed}"):
            ranks.tell([self.kind, self.key])
        train = self.runtime.trainer(self.name, draft, "zoo", self.tuning.seed)
        train.summed = len(self.tasks)
        start = starting_vectors(self.inputs.generic, self.tasks)
        self._save(draft, self.tuning(start, self.tasks, train), self.tasks)


class ImportedStage(ZooStage):
    """A zoo from elsewhere. Its content is in its key, its location is not.

    tasks: int64 `(T, C)`, in the classes of the data set.
    """

    def __init__(self, runtime: Runtime, folder: Path, tasks: Tensor) -> None:
        super().__init__(runtime, "zoo/id imported")
        self.folder, self.tasks = folder, tasks

    @property
    def settings(self) -> Mapping[str, Any]:
        content = content_of({TENSORS: self.folder / TENSORS})
        return {"imported": content, "tasks": self.tasks.tolist()}

    @property
    def after(self) -> Sequence[Stage]:
        return ()

    def compute(self, draft: Draft) -> None:
        self._save(draft, read(self.folder).vectors, self.tasks)


class FineTuning:
    """Fine-tuning on the training images of a run.

    Called with vectors `(M, P)` to start from, tasks int64 `(M, C)`, the training loop and, if it
    is not the recipe's, the number of epochs; returns float32 `(M, P)`. Raises UserError if the
    options ask for flipped images of p-Models that read features.
    """

    def __init__(self, inputs: Inputs, options: FinetuneOptions, seed: int) -> None:
        if options.augment == "flip":
            inputs.check_images()
        self.inputs, self.options, self.seed = inputs, options, seed

    @property
    def setting(self) -> dict[str, Any]:
        """For keys: its options."""
        return keyed(self.options)

    def __call__(
        self, start: Tensor, tasks: Tensor, train: Train, epochs: float | None = None
    ) -> Tensor:
        options = self.options
        if epochs is not None:
            options = options.model_copy(update={"epochs": epochs})
        return finetune(self._images, tasks, start, options, self.seed, train)

    @property
    def _images(self) -> TaskData:
        return self.inputs.of("train", mirrored=self.options.augment == "flip")

    def epochs_of(self, tasks: Tensor, classes: Tensor) -> float:
        """How many passes over the images of `classes` take as many images as fine-tuning the
        p-Models of `tasks`, int64 `(T, C)`."""
        data, options = self._images, self.options
        steps = len(tasks) * finetuning_steps(data, tasks.shape[1], options)
        images = len(data.images_of(classes)) / (2 if data.mirrored else 1)
        return steps * options.batch_size / images


class ZooShards:
    """The shards of a run by split: "id", "ood" and the task sampler's own test splits."""

    def __init__(
        self,
        runtime: Runtime,
        inputs: Inputs,
        tuning: FineTuning,
        tasks: Mapping[str, Tensor],
        imported: ImportedStage | None = None,
    ) -> None:
        self.runtime, self.inputs, self.tuning = runtime, inputs, tuning
        self._tasks, self._imported = tasks, imported

    @cached_property
    def stages(self) -> dict[str, tuple[ZooStage, ...]]:
        found: dict[str, tuple[ZooStage, ...]] = {
            split: self.shards(tasks, split) for split, tasks in self._tasks.items()
        }
        return found if self._imported is None else {**found, "id": (self._imported,)}

    def shards(self, tasks: Tensor, label: str) -> tuple[ZooStage, ...]:
        """The stages that fine-tune the p-Models of these tasks."""
        parts = tasks.split(self.tuning.options.shard)
        return tuple(
            ShardStage(
                self.runtime,
                f"zoo/{label}",
                f"{number}/{len(parts)}",
                self.inputs,
                self.tuning,
                part,
            )
            for number, part in enumerate(parts, 1)
        )

    def vectors(self, split: str) -> Tensor:
        """float32 `(T, P)`, the p-Models of a split."""
        stages = self.stages[split]
        if len(stages) == 1:
            return stages[0].vectors()
        return joined((stage.vectors() for stage in stages), len(self._tasks[split]))


def p_models_of(
    shards: Sequence[ZooStage], class_names: Sequence[str]
) -> Callable[[Tensor], Tensor]:
    """int64 `(T, C)` → float32 `(T, P)`: the p-Models of these tasks; shards are read once, on
    first use."""

    @cache
    def known() -> dict[tuple[int, ...], Tensor]:
        found: dict[tuple[int, ...], Tensor] = {}
        for stage in shards:
            if stage.cached:
                found.update(stage.p_models())
        return found

    def look_up(tasks: Tensor) -> Tensor:
        asked = [tuple(task) for task in tasks.tolist()]
        if missing := [task for task in asked if task not in known()]:
            names = ", ".join(class_names[index] for index in missing[0] if index >= 0)
            raise UserError(
                f"no p-Model was fine-tuned for the task {names}; use a generator that reads "
                "prompts"
            )
        return torch.stack([known()[task] for task in asked])

    return look_up


def starting_vectors(generic: GenericStage, tasks: Tensor) -> Tensor:
    """float32 `(T, P)`: where fine-tuning starts, the generic model with its rows of the task's
    classes. A class without a row, or an absent one, starts from the mean row."""
    row = torch.full((generic.class_count + 1,), -1)
    row[generic.seen] = torch.arange(len(generic.seen))
    rows = row[tasks]  # absent classes take the last entry, -1
    layout = generic.architecture.layout(len(generic.seen))
    return layout.take_classes_or_mean(generic.vector.expand(len(tasks), -1), rows)
