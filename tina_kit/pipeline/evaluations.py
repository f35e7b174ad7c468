"""What was counted of every task: what comparisons, reports and diagnoses of a run start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.run_folders import EVALUATIONS as FILE
from tina_kit.store.files import write_text

__all__ = ["FILE", "evaluations", "write_evaluations"]


def evaluations(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """The content of `evaluations.json`, read from the store. experiments: one for each seed.

    `tasks`: seed → split → for each task the indices of its classes, -1 where it has fewer than
    others. `counts`: generator → seed → test → `correct` and `total` images of each task's classes.
    Controls are measured on the OOD tasks, or on the ID tasks if the recipe draws no others.
    """
    tasks: dict[str, dict[str, Any]] = {}
    counts: dict[str, dict[str, Any]] = {}
    for experiment in experiments:
        seed = str(experiment.seed)
        drawn = tasks.setdefault(seed, {})
        for named in experiment.recipe.generators:
            stage = experiment.evaluation(named)
            for split, rows in stage.tasks.items():
                drawn.setdefault(split, rows.tolist())
            counts.setdefault(named.name, {})[seed] = stage.read()
    return {"tasks": tasks, "counts": counts}


def write_evaluations(folder: Path, value: dict[str, Any]) -> None:
    """In one line: indented, hundreds of thousands of counts would take megabytes."""
    write_text(folder / FILE, json.dumps(value, separators=(",", ":")) + "\n")
