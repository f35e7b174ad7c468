"""From class names to a p-Model, with the generators of a finished run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tina_kit.api import Generator, UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.generate import generate
from tina_kit.plugins.registry import nearest
from tina_kit.recipe import NamedPart
from tina_kit.zoo.pmodel import PModel, assemble


def personal_model(experiment: Experiment, name: str | None, classes: Sequence[str]) -> PModel:
    """Generate the p-Model for `classes`. Raises UserError when the generator cannot."""
    named, generator = _generator(experiment, name)
    tasks = _known(experiment, classes)
    if not generator.reads_conditions and tasks is None:
        raise UserError(
            f"{named.name} knows only the classes of the data set; a generator that reads prompts "
            "takes any name"
        )
    conditions = experiment.conditions.ready.embed(classes)[None]
    vector = generate(experiment, generator, conditions, tasks)[0]
    if len(vector) != experiment.architecture.layout(len(classes)).size:
        raise UserError(f"{named.name} answers more classes than {', '.join(classes)}")
    module = assemble(
        experiment.architecture, experiment.generic_module.state_dict(), vector, len(classes)
    )
    height, width = experiment.images("test").images.shape[-2:]
    return PModel(
        module,
        experiment.architecture,
        classes,
        (height, width),
        {
            "architecture": experiment.recipe.architecture.plain(),
            "generator": {"name": named.name, **named.part.plain()},
            "seed": experiment.seed,
            "run": experiment.recipe.core.name,
        },
    )


def _generator(experiment: Experiment, name: str | None) -> tuple[NamedPart, Generator]:
    rows = experiment.recipe.generators
    if name is not None:
        for row in rows:
            if row.name == name:
                return row, experiment.fitted(row)
        raise UserError(
            f"--generator {name}: the run has none of this name; "
            f"{nearest(name, [row.name for row in rows])}"
        )
    for row in rows:
        if row.part.build().reads_conditions:
            return row, experiment.fitted(row)
    raise UserError("no generator of this run reads prompts; name one with --generator")


def _known(experiment: Experiment, classes: Sequence[str]) -> Tensor | None:
    """int64 `(1, C)`, or None when some name is no class of the data set."""
    names = experiment.class_names
    if not all(name in names for name in classes):
        return None
    return torch.tensor([[names.index(name) for name in classes]])
