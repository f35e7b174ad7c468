"""Which settings of a recipe differ from the defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from tina_kit.api.options import FieldFacts, Options
from tina_kit.recipe.component import ResolvedComponent
from tina_kit.recipe.recipe import Recipe
from tina_kit.recipe.schema import LISTS, SLOTS

REQUIRED = "(required)"
_SAID = ("name", "description", "time")  # not settings


def changed(recipe: Recipe) -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, value, default) of each setting that is not the default, as plain data; the
    default of an option that must be given is REQUIRED. Names of components are not among them."""
    for key, value, default in _of_options(recipe.core, ""):
        if key not in _SAID:
            yield key, value, default
    for slot in SLOTS:
        yield from _of_component(getattr(recipe, slot), slot)
    for kind in LISTS:
        for row in getattr(recipe, kind):
            yield from _of_component(row.component, f"{kind}.{row.name}")


def _of_component(component: ResolvedComponent, key: str) -> Iterator[tuple[str, Any, Any]]:
    yield from _of_options(component.options, f"{key}.")
    for name, child in component.children.items():
        several = isinstance(child, tuple)
        for number, inner in enumerate(child if isinstance(child, tuple) else (child,)):
            yield from _of_component(
                inner, f"{key}.{name}.{number}" if several else f"{key}.{name}"
            )


def _of_options(options: Options, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    values = options.model_dump(mode="json")
    for name, field in type(options).model_fields.items():
        if FieldFacts.of(field).nested is not None:
            continue
        value = getattr(options, name)
        usual = field.get_default(call_default_factory=True, validated_data={})
        if isinstance(value, Options) and type(value) is type(usual):
            yield from _of_options(value, f"{prefix}{name}.")
        elif usual is PydanticUndefined:
            yield f"{prefix}{name}", values[name], REQUIRED
        elif value != usual:
            yield f"{prefix}{name}", values[name], usual
