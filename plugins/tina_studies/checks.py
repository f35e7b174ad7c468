"""Validators shared by the options of several studies.

Whole fields are annotated rather than their elements, so that `tina-kit show` shows plain types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

T = TypeVar("T")
MOST = 1000
"""Maximum number of values of an option."""
_OF_THE_RUN = ("description", "extends", "name", "profiles", "seed", "seeds", "set", "studies")


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    # Not `min_length`: pydantic would also blame it for a value that is wrong by itself.
    if not values:
        raise ValueError("must have at least one value")
    return values


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(values) > MOST:
        raise ValueError(f"must have at most {MOST} values")
    repeated = [value for index, value in enumerate(values) if value in values[:index]]
    if repeated:
        raise ValueError(f"{repeated[0]!r} is listed twice")
    return values


def _finite(value: T) -> T:
    """JSON, and so a cache key, cannot represent infinite numbers."""
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


def _scalars(values: Any) -> Any:
    """One message, where a union would give one for each of its types."""
    for value in values if isinstance(values, (list, tuple)) else ():
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError(f"{value!r} is neither a number nor text")
        _finite(value)
    # After this validator the value is no longer JSON, in which a list may be a tuple.
    return tuple(values) if isinstance(values, list) else values


def within(low: int, high: int | None = None) -> AfterValidator:
    """All numbers must lie in [low, high]."""

    def check(values: tuple[int, ...]) -> tuple[int, ...]:
        for value in values:
            if value < low or (high is not None and value > high):
                bounds = f"at least {low}" if high is None else f"from {low} to {high}"
                raise ValueError(f"all values must be {bounds}, but {value} is not")
        return values

    return AfterValidator(check)


def _dotted(key: str | None) -> str | None:
    steps = key.split(".") if key is not None else ["key"]
    if "" in steps:
        raise ValueError(f"'{key}': write a dotted key as for --set")
    if steps[0] in _OF_THE_RUN:
        raise ValueError(f"'{steps[0]}' belongs to the whole run and cannot vary in a study")
    return key


def _overrides(values: dict[str, Any]) -> dict[str, Any]:
    for key in values:
        _dotted(key)
    return _finite(values)


def _like(values: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A variant may take the overrides of an earlier one, as rows of `generators` do."""
    whole: dict[str, dict[str, Any]] = {}
    for name, own in values.items():
        base = own.get("like")
        if base is not None and (not isinstance(base, str) or base not in whole):
            raise ValueError(f"{name}: like: there is no earlier variant {base!r}")
        taken = {} if base is None else whole[base]
        whole[name] = {**taken, **{key: value for key, value in own.items() if key != "like"}}
    return whole


def _in_each(check: Callable[[dict[str, Any]], Any]) -> AfterValidator:
    def check_all(values: Mapping[str, dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
        for name, value in values.items():
            try:
                check(value)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return values

    return AfterValidator(check_all)


Some = AfterValidator(_some)
Once = AfterValidator(_once)
Finite = AfterValidator(_finite)
Scalars = BeforeValidator(_scalars)
Dotted = AfterValidator(_dotted)
"""A dotted key of the recipe."""
Overrides = Annotated[dict[str, Any], AfterValidator(_overrides)]
"""Dotted keys → values, in the grammar of `--set`."""
Variants = Annotated[dict[str, dict[str, Any]], AfterValidator(_like), _in_each(_overrides)]
"""Names → overrides; `like` names an earlier one, whose overrides a variant takes."""
