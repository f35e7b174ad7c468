"""Every number that a recipe sets has a unit, or is known to have none."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, Field

from tina_kit.api import Options, TrainingOptions, aside, at_generation
from tina_kit.api.component import import_attribute
from tina_kit.plugins import discover
from tina_kit.recipe.explain import explained
from tina_kit.recipe.json_schema import recipe_schema
from tina_kit.recipe.schema import CoreOptions

OWN = [entry for entry in discover().registered if entry.owner == "tina-kit"]
DIMENSIONLESS = {
    *("seed", "seeds", "split_seed"),
    *("learning_rate", "weight_decay", "momentum", "clip", "ema"),  # of the optimiser
    *("guidance", "temperature", "ratio", "row_weight"),
    *("values", "places"),  # a study's: they have the unit of the key that they are set to
}


def numeric(annotation: Any) -> bool:
    """Whether a value holds numbers, anywhere but in the keys of a mapping."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return numeric(inner[1])
    if origin in (Union, types.UnionType, tuple, list):
        return any(numeric(argument) for argument in inner)
    if hasattr(annotation, "__metadata__"):
        return numeric(inner[0])
    return annotation in (int, float)


def unitless(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The numeric options that have no unit and should."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from unitless(field.annotation, f"{prefix}{name}.")
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        if numeric(field.annotation) and name not in DIMENSIONLESS and not extra.get("unit"):
            yield f"{prefix}{name}"


@pytest.mark.parametrize("entry", OWN, ids=lambda e: f"{e.component.kind}-{e.component.name}")
def test_a_number_has_a_unit(entry) -> None:
    assert not list(unitless(import_attribute(entry.component.options))), (
        'say it, Field(..., json_schema_extra={"unit": "pixels"}), or add the name to DIMENSIONLESS'
    )


def test_the_recipes_own_numbers_have_units() -> None:
    assert not list(unitless(CoreOptions))


def test_a_number_without_a_unit_is_found() -> None:
    class Inner(Options):
        wait: float = Field(1.0, json_schema_extra={"unit": "seconds"})
        length: int | None = None

    class Outer(Options):
        sides: tuple[int, ...] = ()
        shares: dict[str, dict[str, float]]
        flag: bool = True
        words: dict[str, str]
        seed: int = 0
        inner: Inner = Inner()

    assert list(unitless(Outer)) == ["sides", "shares", "inner.length"]


def test_no_name_is_listed_in_vain() -> None:
    models = [CoreOptions, TrainingOptions, *(import_attribute(e.component.options) for e in OWN)]
    assert {name for model in models for name in model.model_fields} >= DIMENSIONLESS


def test_every_way_to_declare_an_option_takes_a_unit() -> None:
    extra = {"unit": "seconds"}
    for way, mark in ((at_generation, "generation"), (aside, "aside")):
        field = way(1.0, gt=0, json_schema_extra=extra)
        assert field.json_schema_extra == {"unit": "seconds", mark: True}
    assert extra == {"unit": "seconds"}


def test_show_and_schema_tell_the_unit() -> None:
    tina = next(entry for entry in OWN if entry.component.name == "tina-dit")
    told = {option["name"]: option["unit"] for option in explained(tina)}
    assert (told["steps"], told["learning_rate"]) == ("steps", None)
    schema = recipe_schema(discover(), print)["$defs"]
    steps = schema["generator:tina-kit:tina-dit"]["properties"]["steps"]
    assert steps["unit"] == "steps" and steps["description"].endswith("(steps)")
    assert schema["recipe:FinetuneOptions"]["properties"]["epochs"]["unit"] == "epochs"
