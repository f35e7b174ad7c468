"""What options of several studies must hold, checked when a recipe is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ValidationError, WrapValidator

T = TypeVar("T")
_OF_THE_RUN = ("description", "extends", "name", "profiles", "seed", "seeds", "set", "studies")


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    # Not `min_length`: pydantic would also blame it for a value that is wrong by itself.
    if not values:
        raise ValueError("must hold at least one")
    return values


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"each may stand here once, and {repeated[0]!r} stands twice")
    return values


def _finite(value: T) -> T:
    """JSON, and with it a cache key, knows no infinite number."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    children: Sequence[Any] = ()
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, (list, tuple)):
        children = value
    for child in children:
        _finite(child)
    return value


def _dotted(key: str) -> str:
    steps = key.split(".")
    if "" in steps:
        raise ValueError("write a key as for --set, its steps joined by dots")
    if steps[0] in _OF_THE_RUN:
        raise ValueError(f"'{steps[0]}' belongs to the whole run and cannot vary in a study")
    return key


def _scalar(value: Any, check: Callable[[Any], T]) -> T:
    """One message, not one for each type of a union."""
    try:
        return check(value)
    except ValidationError:
        raise ValueError("must be a number or a text") from None


def _percent(share: int) -> int:
    if not 0 <= share <= 100:
        raise ValueError("must be a share in percent")
    return share


Key = Annotated[str, AfterValidator(_dotted)]
"""A dotted key of the recipe."""
Overrides = Annotated[dict[Key, Any], AfterValidator(_finite)]
"""Dotted keys → values, in the grammar of `--set`."""
Value = Annotated[int | float | str, WrapValidator(_scalar)]
Percent = Annotated[int, AfterValidator(_percent)]
Some = AfterValidator(_some)
Once = AfterValidator(_once)
Finite = AfterValidator(_finite)
