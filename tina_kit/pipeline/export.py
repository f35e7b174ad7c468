"""Exports the zoo of a run."""

from __future__ import annotations

import tina_kit
from tina_kit.api import UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.zoo.archive import ZooArchive


def exported_zoo(experiment: Experiment) -> ZooArchive:
    """The ID tasks and p-Models of a finished run. Raises UserError if it has none."""
    tasks = experiment.tasks["id"]
    if not all(stage.cached for stage in experiment.zoo.stages["id"]):
        raise UserError(
            "the p-Models of this run's ID tasks are not in the store "
            f"{experiment.runtime.store.root}: none of its generators asked for them, or they were "
            "removed. Run the recipe with a generator that learns from them"
        )
    recipe, core = experiment.recipe, experiment.recipe.core
    origin = {
        "from": "run",
        "run": core.name,
        "seed": experiment.seed,
        "precision": experiment.runtime.precision,
        "dataset": recipe.dataset.entry.full_name,
        "generic": experiment.generic.key,
        "finetune": experiment.zoo.tuning.setting,
        "tina_kit": tina_kit.__version__,
    }
    if experiment.imported is not None:
        origin = dict(experiment.imported.archive.origin)
    return ZooArchive(
        tuple(experiment.class_names),
        recipe.architecture.plain(),
        experiment.architecture.layout(tasks.shape[1]),
        tasks,
        experiment.zoo.vectors("id"),
        origin,
    )
