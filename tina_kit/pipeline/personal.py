"""From class names or images to a p-Model, with the generators of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tina_kit.api import UserError
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.stages.fit import GeneratorRow, generate
from tina_kit.plugins.registry import nearest
from tina_kit.zoo.pmodel import PModel, assemble, read_image


def personal_model(
    experiment: Experiment, name: str | None, classes: Sequence[str], images: Sequence[Path] = ()
) -> PModel:
    """Generate the p-Model for `classes`. Raises UserError when the generator cannot.

    name: of a generator of the run, by default the first that was trained on prompts of this kind,
        or the first that reads prompts at all.
    images: one image file of each class, the prompts in place of the classes' names (Section 5.4).
    """
    kind = "image" if images else "text"
    if images:
        _ = experiment.conditions.images  # says so where the conditioner takes none
    row = _row(experiment, name, kind)
    named, generator = row.named, row.ready()
    if images and not generator.reads_conditions:
        raise UserError(f"{named.name} reads no prompts, and so no images; name the classes")
    tasks = _known(experiment, classes)
    if not generator.reads_conditions and tasks is None:
        unknown = [each for each in classes if each not in experiment.class_names]
        raise UserError(
            f"{named.name} knows only the classes of the data set, and not {', '.join(unknown)}; a "
            "generator that reads prompts takes any name"
        )
    conditions = _conditions(experiment, classes, images)
    vector = generate(generator, conditions, tasks, experiment.runtime, experiment.seed)[0]
    if len(vector) != experiment.architecture.layout(len(classes)).size:
        raise UserError(f"{named.name} answers more classes than {', '.join(classes)}")
    module = assemble(experiment.architecture, experiment.generic.state, vector, len(classes))
    height, width = experiment.images.size
    return PModel(
        module,
        experiment.architecture,
        classes,
        (height, width),
        {
            "architecture": experiment.recipe.architecture.plain(),
            "generator": {"name": named.name, **named.part.plain()},
            "prompts": kind,
            "seed": experiment.seed,
            "run": experiment.recipe.core.name,
        },
    )


def _conditions(experiment: Experiment, classes: Sequence[str], images: Sequence[Path]) -> Tensor:
    """float32 `(1, C, D)`."""
    conditioner = experiment.conditions.encoder.ready
    if not images:
        return conditioner.embed(classes)[None]
    side = conditioner.image_size
    return conditioner.embed_images(torch.stack([read_image(p, (side, side)) for p in images]))[
        None
    ]


def _row(experiment: Experiment, name: str | None, kind: str) -> GeneratorRow:
    named = experiment.recipe.generators
    if name is not None:
        for each in named:
            if each.name == name:
                return experiment.row(each)
        raise UserError(
            f"--generator {name}: the run has none of this name; "
            f"{nearest(name, [each.name for each in named])}"
        )
    reading = [row for row in map(experiment.row, named) if row.flags.reads_conditions]
    # Those trained on prompts of this kind first, in the recipe's order.
    for row in sorted(reading, key=lambda row: row.flags.prompts != kind):
        return row
    raise UserError("no generator of this run reads prompts; name one with --generator")


def _known(experiment: Experiment, classes: Sequence[str]) -> Tensor | None:
    """int64 `(1, C)`, or None when some name is no class of the data set."""
    names = experiment.class_names
    if not all(name in names for name in classes):
        return None
    return torch.tensor([[names.index(name) for name in classes]])
