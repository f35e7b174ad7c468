"""A zoo leaves a run as a folder of its own, or comes into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import tina_kit
from tina_kit.api import UserError, name_index, name_key
from tina_kit.pipeline.draws import without
from tina_kit.pipeline.stage import Stage
from tina_kit.store import Draft, content_of
from tina_kit.zoo.archive import TENSORS, ZooArchive, check_layout, read

if TYPE_CHECKING:
    from tina_kit.pipeline.experiment import Experiment


def exported_zoo(experiment: Experiment) -> ZooArchive:
    """The ID tasks and p-Models of a finished run. Raises UserError where it has none."""
    tasks = experiment.tasks["id"]
    if not all(stage.cached(experiment.store) for stage in experiment.zoo_stages["id"]):
        raise UserError(
            f"the p-Models of this run's ID tasks are not in the store {experiment.store.root}: "
            "none of its generators asked for them, or they were removed. Run the recipe with a "
            "generator that learns from them"
        )
    recipe, core = experiment.recipe, experiment.recipe.core
    origin = {
        "from": "run",
        "run": core.name,
        "seed": experiment.seed,
        "precision": experiment.precision,
        "dataset": recipe.dataset.entry.full_name,
        "generic": experiment.generic_stage.key,
        "finetune": core.finetune.model_dump(mode="json", exclude={"shard"}),
        "tina_kit": tina_kit.__version__,
    }
    if experiment.imported is not None:
        origin = dict(experiment.imported.archive.origin)
    return ZooArchive(
        tuple(experiment.class_names),
        recipe.architecture.plain(),
        experiment.architecture.layout(tasks.shape[1]),
        tasks,
        experiment.vectors("id"),
        origin,
    )


@dataclass(frozen=True)
class ImportedZoo:
    """A zoo that stands for the ID tasks and p-Models of a run.

    tasks: int64 `(T, C)` in the data set's classes; where: the place in the recipe that names it.
    stage: puts the p-Models into the store; its key is the zoo's content, wherever it lies.
    """

    archive: ZooArchive
    tasks: Tensor
    stage: Stage
    where: str

    def in_place_of_id(self, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a task sampler drew, with the zoo's tasks for "id".

        Tasks of the test splits whose classes are a task of the zoo's, in whatever order, are
        dropped: generators have learned from their p-Models. The others stay as they were drawn,
        so that generators with and without the zoo are measured on the same ones. Raises UserError
        where a split is left with none.
        """
        kept = {}
        for split, tasks in drawn.items():
            if split != "id":
                kept[split] = without(tasks, self.tasks)
                if not len(kept[split]):
                    raise UserError(
                        f"{self.where}: zoo: it holds all tasks of the split '{split}', and none "
                        "is left to test on; ask for more of them (tasks.ood), or take another "
                        "seed"
                    )
        return {"id": self.tasks, **kept}


def imported_zoo(experiment: Experiment) -> ImportedZoo | None:
    """The zoo that the recipe names with `zoo`, None where it names none.

    Raises UserError where it does not fit the recipe: unknown or unseen classes, another
    architecture, or another generic model where p-Models share a frozen part of it.
    """
    folder = experiment.recipe.core.zoo
    if folder is None:
        return None
    where = experiment.recipe.where("zoo")
    # Each of these tells its own place where it cannot be had.
    architecture, generic = experiment.architecture, experiment.generic_stage
    names, seen = experiment.class_names, experiment.seen
    try:
        archive = read(folder, finite=False)
        check_layout(archive.layout, architecture.layout(archive.tasks.shape[1]), str(folder))
        if architecture.frozen_features:
            _check_generic(archive, generic.key, folder)
        tasks = _in_dataset(archive, names, folder)
        _check_seen(tasks, seen, names, folder)
    except UserError as error:
        raise UserError(f"{where}: zoo: {error}") from error

    def compute(draft: Draft) -> None:
        vectors = read(folder).vectors
        draft.save_tensors("zoo.safetensors", {"vectors": vectors, "tasks": tasks})

    content = content_of({TENSORS: folder / TENSORS})
    settings = {"imported": content, "tasks": tasks.tolist()}
    stage = Stage("zoo", "zoo/id imported", settings, compute)
    return ImportedZoo(archive, tasks, stage, where)


def _in_dataset(archive: ZooArchive, names: Sequence[str], folder: Path) -> Tensor:
    """The archive's tasks in the data set's numbers."""
    used = archive.tasks[archive.tasks >= 0].unique().tolist()
    number = name_index(names)
    keys = [name_key(name) for name in archive.class_names]
    if unknown := [archive.class_names[u] for u in used if keys[u] not in number]:
        raise UserError(
            f"{folder}: the data set does not have {len(unknown)} of its classes: "
            f"{', '.join(unknown)}"
        )
    numbers = [number.get(key, -1) for key in keys]
    return torch.tensor([*numbers, -1])[archive.tasks]  # an absent class takes the last entry


def _check_seen(tasks: Tensor, seen: Tensor, names: Sequence[str], folder: Path) -> None:
    used = tasks[tasks >= 0].unique()
    unseen = used[~torch.isin(used, seen)].tolist()
    if unseen:
        told = ", ".join(names[index] for index in unseen)
        raise UserError(f"{folder}: the task sampler keeps classes of its tasks unseen: {told}")


def _check_generic(archive: ZooArchive, mine: str, folder: Path) -> None:
    """Generated parameters mean nothing beside another frozen part. Where a zoo does not say which
    generic model it belongs to, it is taken at its word."""
    key = archive.origin.get("generic")
    if key not in (None, mine):
        raise UserError(
            f"{folder}: its p-Models share the frozen part of the generic model {key}, the "
            f"recipe's is {mine}; take the data set, architecture, `generic`, seed and "
            "precision of the run that it comes from"
        )
