"""A sweep chooses options, so it must not look at what its choice is judged on later: test images
and the OOD tasks of a run on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tina_kit.api import UserError
from tina_kit.recipe import Recipe
from tina_kit.sweeps.axes import Axis, Range

WHY = "a sweep chooses options and so measures on validation images and tasks alone"
FIXED = {"evaluation.on": "validation", "studies": []}
"""What every point sets: where it measures; and no studies, whose results nobody compares."""


def check_axes(axes: Sequence[Axis]) -> None:
    """Raises UserError if an axis changes where a sweep measures."""
    for axis in axes:
        steps = axis.key.split(".")
        values = () if isinstance(axis.values, Range) else axis.values
        if axis.key == "evaluation" or (
            axis.key == "evaluation.on" and set(values) != {"validation"}
        ):
            raise UserError(f"--set {axis.key}: {WHY}; leave it out")
        if steps[0] in ("seed", "seeds"):
            raise UserError(
                f"--set {axis.key}: points are compared on the same seeds; give them with --seeds"
            )
        if steps[0] == "studies":
            raise UserError(f"--set {axis.key}: a sweep runs no studies; leave it out")


def check_recipe(recipe: Recipe) -> None:
    """Raises UserError if a recipe asks for test images in so many words. recipe: as it is written,
    with its profile."""
    if recipe.says("evaluation", "on") and recipe.core.evaluation.on != "validation":
        place = recipe.where("evaluation", "on")
        raise UserError(f"{place}: evaluation.on: {recipe.core.evaluation.on}: {WHY}; leave it out")


def with_fixed(point: dict[str, Any], curve: int) -> dict[str, Any]:
    """What a point sets in all. curve: measurements in each training, unless the point says."""
    return {**FIXED, **({"evaluation.curve": curve} if curve else {}), **point}


def check_point(recipe: Recipe) -> None:
    """The last look before a point is run."""
    if recipe.core.evaluation.on != "validation" or recipe.studies:
        raise UserError(f"{recipe.path}: {WHY}")
