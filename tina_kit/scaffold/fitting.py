"""Settings of a recipe that suit a data set: a run on a few thousand images takes minutes on two
CPU cores, and there are no more tasks than the classes allow."""

from __future__ import annotations

from math import ceil, comb
from typing import Any

from tina_kit.api import UserError
from tina_kit.scaffold.findings import Findings

CLASSES = 10  # of a task, as in the paper, where there are twice as many
TASKS = 500  # ID and OOD tasks together, a fifth of them OOD
LEAST = 4  # classes of a data set; with fewer there are no two different tasks
VALIDATED = 5  # training images of a class, of which one is held out
GENERIC_STEPS, GENERIC_BATCH = 2000, 64
FINETUNE_STEPS, FINETUNE_BATCH = 120, 32

_TINA = {
    "use": "tina-dit",
    "hidden_size": 128,
    "depth": 3,
    "heads": 4,
    "tokenizer": {"use": "class-rows"},
    "augmentations": [],
    "sampler": "ddim",
    "sampling_steps": 1,
    "steps": 600,
    "learning_rate": 7e-4,
    "clip": 1.0,
}


def fitted(found: Findings, conditioner: str) -> dict[str, Any]:
    """All keys of a recipe but its name and data set. Raises UserError for too few classes."""
    classes, id_tasks, ood_tasks = tasks_of(len(found.classes))
    images = sum(found.train)
    tuned = ceil(images / len(found.classes) * classes / FINETUNE_BATCH)  # steps of an epoch
    evaluated = min(50, id_tasks)
    average = {"average": "classes"} if found.uneven else {}
    profiles: dict[str, Any] = {"smoke": _smoke(id_tasks, ood_tasks, evaluated), "laptop": {}}
    if min(found.train) >= VALIDATED:
        profiles["validation"] = {"evaluation.on": "validation"}
    return {
        "tasks": {"classes": classes, "id": id_tasks, "ood": ood_tasks},
        "architecture": {"use": "cnn"},
        "conditioner": {"use": conditioner},
        "generic": {
            "epochs": _between(10, GENERIC_STEPS * GENERIC_BATCH / images, 100),
            "batch_size": GENERIC_BATCH,
            "learning_rate": 3e-3,
        },
        "finetune": {
            "epochs": _between(1, FINETUNE_STEPS / tuned, 20),
            "batch_size": FINETUNE_BATCH,
            "learning_rate": 1e-2,
        },
        "evaluation": {"id_tasks": evaluated, **average},
        "generators": [
            {"use": "generic"},
            {"use": "classifier-selection"},
            {"use": "class-means"},
            _TINA,
            {"use": "oracle"},
        ],
        "profiles": profiles,
    }


def tasks_of(classes: int) -> tuple[int, int, int]:
    """The numbers of classes in a task, ID tasks and OOD tasks. At most half of all sets of classes
    can be drawn, and there are most sets of half the classes. Raises UserError for too few
    classes."""
    if classes < LEAST:
        raise UserError(
            f"{classes} classes are too few: ID and OOD tasks are different sets of some of them. "
            f"At least {LEAST} are needed, and 8 for meaningful results"
        )
    size = min(CLASSES, classes // 2)
    tasks = min(TASKS, comb(classes, size) // 2)
    ood = _round(max(1, tasks // 5))
    return size, _round(tasks - ood), ood


def _smoke(id_tasks: int, ood_tasks: int, evaluated: int) -> dict[str, Any]:
    return {
        "tasks.id": min(12, id_tasks),
        "tasks.ood": min(6, ood_tasks),
        "conditioner": {"use": "hashed-ngrams"},
        "generic.epochs": 1,
        "finetune.epochs": 1,
        "evaluation.id_tasks": min(6, evaluated),
        "generators.tina-dit.hidden_size": 32,
        "generators.tina-dit.depth": 1,
        "generators.tina-dit.steps": 20,
    }


def _between(low: int, wanted: float, high: int) -> int:
    return max(low, min(high, round(wanted)))


def _round(number: int) -> int:
    return number if number < 20 else number // 10 * 10
