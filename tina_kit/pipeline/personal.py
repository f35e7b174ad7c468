"""From class names or images to a p-Model, with the generators of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tina_kit.api import Generator, UserError, as_words, name_index, name_key, read_images
from tina_kit.pipeline.conditions import check_padding
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.generate import generate
from tina_kit.pipeline.seen import familiarity
from tina_kit.plugins.registry import nearest
from tina_kit.recipe import NamedPart
from tina_kit.zoo.pmodel import PModel, assemble


def personal_model(
    experiment: Experiment,
    name: str | None,
    classes: Sequence[str],
    images: Sequence[Path] = (),
    strict: bool = False,
) -> PModel:
    """Generate the p-Model for `classes`, which it calls as they are given.

    A class of the data set is known by its `name_key`, and prompted for as the data set spells it.
    The metadata say under `seen` which classes the run was trained on, and how similar the others
    are to those (`Familiarity`).

    name: of a generator of the run, by default the first that was trained on prompts of this kind,
        or the first that reads prompts at all.
    images: one image file of each class, the prompts in place of the classes' names (Section 5.4).
    strict: refuse classes that are too dissimilar to every seen one.
    Raises UserError for names that are empty or the same, and when the generator cannot.
    """
    kind = "image" if images else "text"
    if len(classes) < 2:
        raise UserError("a p-Model distinguishes at least two classes; name more")
    name_index(classes)
    if images:
        _ = experiment.conditions.image_stage  # says so where the conditioner takes none
    named, generator = _generator(experiment, name, kind)
    if images and not generator.reads_conditions:
        raise UserError(f"{named.name} reads no prompts, and so no images; name the classes")
    known = _known(experiment, classes)
    if not generator.reads_conditions and None in known:
        unknown = [each for each, index in zip(classes, known) if index is None]
        raise UserError(
            f"{named.name} knows only the classes of the data set, and not {', '.join(unknown)}; a "
            "generator that reads prompts takes any name"
        )
    conditions = _conditions(experiment, classes, known, images)
    seen = familiarity(experiment, generator, classes, known, conditions[0], kind)
    if strict and seen.warning:
        raise UserError(f"{seen.warning}. Leave such classes out, or ask without --strict")
    tasks = None if None in known else torch.tensor([known])
    vector = generate(experiment, generator, conditions, tasks)[0]
    if len(vector) != experiment.architecture.layout(len(classes)).size:
        raise UserError(f"{named.name} answers more classes than {', '.join(classes)}")
    module = assemble(
        experiment.architecture, experiment.generic_module.state_dict(), vector, len(classes)
    )
    height, width = experiment.images("test").images.shape[-2:]
    model = PModel(
        module,
        experiment.architecture,
        classes,
        (height, width),
        {
            "architecture": experiment.recipe.architecture.plain(),
            "generator": {"name": named.name, **named.part.plain()},
            "prompts": kind,
            "seen": seen.plain(),
            "seed": experiment.seed,
            "run": experiment.recipe.core.name,
        },
    )
    never = model(torch.zeros(1, 3, height, width, dtype=torch.uint8))[0].isneginf().tolist()
    if any(never):
        lost = ", ".join(each for each, no_row in zip(classes, never) if no_row)
        raise UserError(
            f"{named.name} has no classifier row for {lost}, so its p-Model would never give that "
            "answer; leave such classes out, or use a generator that makes rows from prompts"
        )
    return model


def _known(experiment: Experiment, classes: Sequence[str]) -> list[int | None]:
    """The data set's index of each class, None where it has no class of this name."""
    index = name_index(experiment.class_names)
    return [index.get(name_key(each)) for each in classes]


def _conditions(
    experiment: Experiment,
    classes: Sequence[str],
    known: Sequence[int | None],
    images: Sequence[Path],
) -> Tensor:
    """float32 `(1, C, D)`."""
    conditioner = experiment.conditions.ready
    if not images:
        names = experiment.class_names
        prompts = [as_words(c) if k is None else names[k] for c, k in zip(classes, known)]
        check_padding(conditioner, prompts)
        return conditioner.embed(prompts)[None]
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
