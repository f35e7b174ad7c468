"""How the stages of an experiment are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tina_kit.api import Images, Split, Step, Train, Training, UserError
from tina_kit.pipeline.frozen import through
from tina_kit.pipeline.images import LEFT_OUT, check_classes, hold_out
from tina_kit.pipeline.learning import TrainingImages
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import NamedPart
from tina_kit.store import Draft
from tina_kit.training import derived_seed
from tina_kit.zoo.training import finetune, train_generic

if TYPE_CHECKING:
    from tina_kit.pipeline.experiment import Experiment

_SPLITS: tuple[Split, ...] = ("train", "test")


class Compute:
    """One method a kind of stage; each writes to a draft and reads the stages before it."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def images(self, draft: Draft) -> None:
        dataset = self.experiment.dataset
        validating = self.experiment.recipe.core.evaluation.on == "validation"
        with self.experiment.progress("images", 2, 0) as advance:
            train = dataset.load("train")
            advance(1)
            left_out = list(train.left_out)
            if validating:
                train, test = hold_out(train)
            else:
                test = dataset.load("test")
                left_out += test.left_out
            advance(1)
        labels = {"train": train.labels, "test": test.labels}
        check_classes(self.experiment.class_names, labels, validating)
        if left_out:
            draft.save_json(LEFT_OUT, left_out)
        tensors = {}
        for split, images in zip(_SPLITS, (train, test)):
            tensors[f"{split}.images"] = images.images
            tensors[f"{split}.labels"] = images.labels
        draft.save_tensors("images.safetensors", tensors)

    def generic(self, draft: Draft) -> None:
        """Trained on the seen classes alone, numbered in their order."""
        experiment = self.experiment
        images, seen = experiment.images("train"), experiment.seen
        # Again, since the images may have been kept by an older version.
        labels = {"train": images.labels, "test": experiment.images("test").labels}
        recipe = experiment.recipe
        validating = recipe.core.evaluation.on == "validation"
        shown = any(row.part.build().prompts == "image" for row in recipe.generators)
        check_classes(experiment.class_names, labels, validating, shown)
        rank = torch.full((len(experiment.class_names),), -1)
        rank[seen] = torch.arange(len(seen))
        keep = rank[images.labels] >= 0
        if not keep.all():
            images = Images(images.images[keep], images.labels[keep])
        trainer = experiment.trainer("generic", draft, "generic")
        module = train_generic(
            experiment.architecture,
            Images(images.images, rank[images.labels]),
            len(seen),
            experiment.recipe.core.generic,
            experiment.seed,
            trainer,
        )
        draft.save_tensors("generic.safetensors", module.state_dict())
        draft.save_json("losses.json", trainer.losses)

    def features(self, draft: Draft) -> None:
        experiment = self.experiment
        module = experiment.generic_module.to(experiment.device)

        def network(images: Tensor) -> Tensor:
            return experiment.architecture.inputs(module, images.to(experiment.device))

        tensors: dict[str, Tensor] = {}
        with torch.inference_mode():
            for split in _SPLITS:
                images, label = experiment.images(split).images, f"features {split}"
                tensors[split] = through(network, images, draft, label, experiment.progress)
        module.cpu()
        draft.save_tensors("features.safetensors", tensors)

    def shard(self, tasks: Tensor, name: str) -> Callable[[Draft], None]:
        def compute(draft: Draft) -> None:
            train = self.experiment.trainer(name, draft, "zoo")
            inputs = self.experiment.inputs("train")
            vectors = self._finetune(self.start(tasks), tasks, inputs, train)
            draft.save_tensors("zoo.safetensors", {"vectors": vectors, "tasks": tasks})

        return compute

    def fit(self, named: NamedPart) -> Callable[[Draft], None]:
        def compute(draft: Draft) -> None:
            experiment = self.experiment
            trainer = experiment.trainer(f"fit/{named.name}", draft, "fit")
            generator = experiment.set_up(named, trainer)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derived_seed(experiment.seed, "fit"))
                generator.fit(experiment.zoo(generator.prompts))
            generator.save(draft.folder)
            draft.save_json("losses.json", trainer.losses)

        return compute

    # What generators are given.

    def learning(self, train: Train) -> TrainingImages:
        experiment = self.experiment
        inputs = experiment.inputs("train")
        return TrainingImages(
            inputs=inputs,
            labels=experiment.images("train").labels,
            classes=len(experiment.class_names),
            tune=lambda start, tasks, epochs: self._finetune(start, tasks, inputs, train, epochs),
        )

    def personalised(self, splits: Mapping[str, tuple[Stage, ...]]) -> Callable[[Tensor], Tensor]:
        """int64 `(T, C)` → `(T, P)`: the zoo's own p-Models of these tasks, read once."""
        store = self.experiment.store

        @cache
        def known() -> dict[tuple[int, ...], Tensor]:
            found: dict[tuple[int, ...], Tensor] = {}
            for shards in splits.values():
                if all(stage.cached(store) for stage in shards):
                    for stage in shards:
                        tensors = stage.open(store).tensors("zoo.safetensors")
                        found.update(zip(map(tuple, tensors["tasks"].tolist()), tensors["vectors"]))
            return found

        def personalise(tasks: Tensor) -> Tensor:
            if not splits:
                raise RuntimeError("only a generator that says `personalises` may look at p-Models")
            asked = [tuple(task) for task in tasks.tolist()]
            if missing := [task for task in asked if task not in known()]:
                names = self.experiment.class_names
                text = ", ".join(names[index] for index in missing[0] if index >= 0)
                raise UserError(
                    f"no p-Model was fine-tuned for the task {text}; take a generator that reads "
                    "prompts"
                )
            return torch.stack([known()[task] for task in asked])

        return personalise

    def start(self, tasks: Tensor) -> Tensor:
        """`(T, P)`: where fine-tuning starts, the generic model's rows of the task's classes. A
        class it has no row for, or that is absent, starts from the mean of all its rows."""
        experiment = self.experiment
        layout = experiment.architecture.layout(len(experiment.seen))
        row = torch.full((len(experiment.class_names) + 1,), -1)
        row[experiment.seen] = torch.arange(len(experiment.seen))
        rows = row[tasks]  # an absent class takes the last entry, -1
        generic = experiment.generic_vector.expand(len(tasks), -1)
        vectors = layout.take_classes(generic, rows.clamp(min=0))
        if (rows >= 0).all():
            return vectors
        every = torch.arange(len(experiment.seen))[:, None]
        means = layout.take_classes(experiment.generic_vector.expand(len(every), -1), every).mean(0)
        one, owner = means[None], experiment.architecture.layout(tasks.shape[1]).class_of_entries()
        repeated = experiment.architecture.layout(1).take_classes(
            one.expand(len(tasks), -1), torch.zeros_like(tasks)
        )
        lacking = (rows < 0)[:, owner] & (owner >= 0)
        return torch.where(lacking, repeated, vectors)

    def _finetune(
        self,
        start: Tensor,
        tasks: Tensor,
        inputs: Callable[[Tensor], Tensor],
        train: Train,
        epochs: float | None = None,
    ) -> Tensor:
        experiment = self.experiment
        options = experiment.recipe.core.finetune
        if epochs is not None:
            options = options.model_copy(update={"epochs": epochs})
        return finetune(
            experiment.architecture,
            inputs,
            experiment.images("train").labels,
            len(experiment.class_names),
            tasks,
            start,
            options,
            experiment.seed,
            train,
            experiment.device,
            experiment.frozen,
        )


def not_now(module: nn.Module, loss: Callable[[Step], Tensor], training: Training) -> None:
    raise RuntimeError("a generator may train in `fit` alone")
