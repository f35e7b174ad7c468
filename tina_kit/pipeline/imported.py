"""A zoo from elsewhere, whose tasks and p-Models replace the ID tasks and theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tina_kit.api import Architecture, UserError, name_index, name_key
from tina_kit.pipeline.tasks import without
from tina_kit.zoo.archive import ZooArchive, check_layout, read


@dataclass(frozen=True)
class ImportedZoo:
    """folder: the zoo's; tasks: int64 `(T, C)` in the data set's classes; where: the place in
    the recipe that names it."""

    folder: Path
    archive: ZooArchive
    tasks: Tensor
    where: str

    def in_place_of_id(self, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a task sampler drew, with the zoo's tasks for "id".

        Tasks of the test splits whose classes are a task of the zoo's, in whatever order, are
        dropped: generators have learned from their p-Models. The others stay as they were drawn,
        so that generators with and without the zoo are measured on the same ones. Raises UserError
        if no task of a split is left.
        """
        kept = {}
        for split, tasks in drawn.items():
            if split != "id":
                kept[split] = without(tasks, self.tasks)
                if not len(kept[split]):
                    raise UserError(
                        f"{self.where}: zoo: it contains all tasks of the split '{split}', so none "
                        "is left to test on; draw more tasks (tasks.ood) or use another seed"
                    )
        return {"id": self.tasks, **kept}


def read_imported(
    folder: Path,
    where: str,
    architecture: Architecture,
    generic_key: str,
    class_names: Sequence[str],
    seen: Tensor,
) -> ImportedZoo:
    """The zoo in `folder`, which the recipe names at `where`.

    Raises UserError if it does not fit the recipe: unknown or unseen classes, another architecture,
    or another generic model whose frozen part the p-Models share.
    """
    try:
        archive = read(folder, finite=False)
        check_layout(archive.layout, architecture.layout(archive.tasks.shape[1]), str(folder))
        if architecture.frozen_features:
            _check_generic(archive, generic_key, folder)
        tasks = _in_dataset(archive, class_names, folder)
        _check_seen(tasks, seen, class_names, folder)
    except UserError as error:
        raise UserError(f"{where}: zoo: {error}") from error
    return ImportedZoo(folder, archive, tasks, where)


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
        listed = ", ".join(names[index] for index in unseen)
        raise UserError(f"{folder}: the task sampler keeps classes of its tasks unseen: {listed}")


def _check_generic(archive: ZooArchive, mine: str, folder: Path) -> None:
    """Generated parameters mean nothing with another frozen part. A zoo that does not say which
    generic model it belongs to is accepted."""
    key = archive.origin.get("generic")
    if key not in (None, mine):
        raise UserError(
            f"{folder}: its p-Models share the frozen part of the generic model {key}, the "
            f"recipe's is {mine}; take the data set, architecture, `generic`, seed and "
            "precision of the run that it comes from"
        )
