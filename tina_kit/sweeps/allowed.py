"""A sweep chooses options, so it must not look at what its choice is judged on later: test images
and the OOD tasks of a run on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tina_kit.api import UserError
from tina_kit.recipe import Recipe
from tina_kit.store import content_key
from tina_kit.sweeps.axes import Axis, Range

WHY = "a sweep chooses options and so measures on validation images and tasks alone"
_MEASURED = (
    "it changes how points are measured, so that they cannot be compared; leave it out, or change "
    "it in the recipe"
)
_WITHOUT_EFFECT = ("name", "description", "time")  # of a recipe, on its results
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
        if axis.key == "tasks.ood" or (
            steps[0] == "evaluation" and axis.key not in ("evaluation.on", "evaluation.curve")
        ):
            raise UserError(f"--set {axis.key}: {_MEASURED}")
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


def check_points(base: Recipe, row: str, points: Sequence[tuple[str, Recipe]]) -> None:
    """Raises UserError if points cannot be compared, or are the same.

    base: the recipe without its points; row: the generator whose p-Acc counts; points: each with
    its values in words.
    """
    seen: dict[str, str] = {}
    for words, recipe in points:
        if row not in [each.name for each in recipe.generators]:
            raise UserError(f"{words}: this point has no generator '{row}', whose p-Acc counts")
        if _measures(recipe) != _measures(base):
            raise UserError(f"{words}: {_MEASURED}")
        said = {key: each for key, each in recipe.plain().items() if key not in _WITHOUT_EFFECT}
        other = seen.setdefault(content_key(said), words)
        if other != words:
            raise UserError(f"{words}: this point is the same as {other}; leave one of them out")


def _measures(recipe: Recipe) -> tuple[Any, ...]:
    how = recipe.core.evaluation.model_dump(exclude={"on", "curve"})
    return how, recipe.tasks.plain().get("ood")


def with_fixed(point: dict[str, Any], curve: int) -> dict[str, Any]:
    """What a point sets in all. curve: measurements in each training, unless the point says."""
    return {**FIXED, **({"evaluation.curve": curve} if curve else {}), **point}


def check_point(recipe: Recipe) -> None:
    """The last look before a point is run."""
    if recipe.core.evaluation.on != "validation" or recipe.studies:
        raise UserError(f"{recipe.path}: {WHY}")
