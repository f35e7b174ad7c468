"""Every number that a recipe sets has a unit, or is known to have none."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, Field

from tina_kit.api import (
    Added,
    Aside,
    AtGeneration,
    ComponentSpec,
    FieldFacts,
    Nested,
    Options,
    Row,
    TrainingOptions,
    Unit,
)
from tina_kit.api.component import import_attribute
from tina_kit.plugins import discover
from tina_kit.recipe.explain import explained
from tina_kit.recipe.json_schema import recipe_schema
from tina_kit.recipe.schema import CoreOptions

OWN = [entry for entry in discover().registered if entry.owner == "tina-kit"]
DIMENSIONLESS = {
    *("seed", "seeds", "split_seed"),
    *("learning_rate", "weight_decay", "momentum", "clip", "ema"),  # of the optimiser
    *("guidance", "temperature", "ratio", "row_weight", "task_weight", "output_scale"),
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
        if (
            numeric(field.annotation)
            and name not in DIMENSIONLESS
            and not FieldFacts.of(field).unit
        ):
            yield f"{prefix}{name}"


def test_every_number_of_a_component_has_a_unit() -> None:
    wrong = [
        f"{entry.full_name}: {name}"
        for entry in OWN
        for name in unitless(import_attribute(entry.component.options))
    ]
    assert not wrong, 'give one, Annotated[int, Unit("pixels")], or add the name to DIMENSIONLESS'


def test_the_recipes_own_numbers_have_units() -> None:
    assert not list(unitless(CoreOptions))


def test_a_number_without_a_unit_is_found() -> None:
    class Inner(Options):
        wait: Annotated[float, Unit("seconds")] = Field(1.0)
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


def test_a_field_says_everything_beside_its_type() -> None:
    class Told(Options):
        steps: Annotated[int, Unit("steps"), AtGeneration()] = Field(3, ge=1)
        retries: Annotated[int, Aside()] = 2
        later: Annotated[bool, Added()] = False
        text: Annotated[ComponentSpec, Nested("conditioner")] = ComponentSpec(use="open-clip")
        start: Annotated[str | None, Row("generator")] = None
        plain: int = 0

    facts = {name: FieldFacts.of(field) for name, field in Told.model_fields.items()}
    assert facts["steps"] == FieldFacts(unit="steps", at_generation=True)
    assert facts["retries"] == FieldFacts(aside=True)
    assert facts["later"] == FieldFacts(added=True)
    assert facts["text"] == FieldFacts(nested="conditioner")
    assert facts["start"] == FieldFacts(row="generator")
    assert facts["plain"] == FieldFacts()
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Told(steps=0)


def test_show_and_schema_tell_the_unit() -> None:
    tina = next(entry for entry in OWN if entry.component.name == "tina-dit")
    told = {option["name"]: option["unit"] for option in explained(tina)}
    assert (told["steps"], told["learning_rate"]) == ("steps", None)
    schema = recipe_schema(discover(), print)["$defs"]
    steps = schema["generator:tina-kit:tina-dit"]["properties"]["steps"]
    assert steps["unit"] == "steps" and steps["description"].endswith("(steps)")
    assert schema["recipe:FinetuneOptions"]["properties"]["epochs"]["unit"] == "epochs"
