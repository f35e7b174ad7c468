"""From class names or images to a p-Model, with the generators of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tina_kit.api import Generator, UserError, read_images
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.generate import generate
from tina_kit.plugins.registry import nearest
from tina_kit.recipe import NamedPart
from tina_kit.zoo.pmodel import PModel, assemble


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
        _ = experiment.conditions.image_stage  # says so where the conditioner takes none
    named, generator = _generator(experiment, name, kind)
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
            "prompts": kind,
            "seed": experiment.seed,
            "run": experiment.recipe.core.name,
        },
    )


def _conditions(experiment: Experiment, classes: Sequence[str], images: Sequence[Path]) -> Tensor:
    """float32 `(1, C, D)`."""
    conditioner = experiment.conditions.ready
    if not images:
        return conditioner.embed(classes)[None]
    side = conditioner.image_size
    return conditioner.embed_images(torch.from_numpy(read_images(images, (side, side))))[None]


def _generator(experiment: Experiment, name: str | None, kind: str) -> tuple[NamedPart, Generator]:
    rows = experiment.recipe.generators
    if name is not None:
        for row in rows:
            if row.name == name:
                return row, experiment.fitted(row)
        raise UserError(
            f"--generator {name}: the run has none of this name; "
            f"{nearest(name, [row.name for row in rows])}"
        )
    built = [(row, row.part.build()) for row in rows]
    reading = [(row, generator) for row, generator in built if generator.reads_conditions]
    # Those trained on prompts of this kind first, in the recipe's order.
    for row, _ in sorted(reading, key=lambda pair: pair[1].prompts != kind):
        return row, experiment.fitted(row)
    raise UserError("no generator of this run reads prompts; name one with --generator")


def _known(experiment: Experiment, classes: Sequence[str]) -> Tensor | None:
    """int64 `(1, C)`, or None when some name is no class of the data set."""
    names = experiment.class_names
    if not all(name in names for name in classes):
        return None
    return torch.tensor([[names.index(name) for name in classes]])
