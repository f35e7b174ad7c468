"""What a sweep varies: keys of the recipe, each with the values that it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.recipe.node import Problem, RecipeError, Where
from tina_kit.recipe.yaml12 import parse_scalar

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(log:)?({_NUMBER})\.\.({_NUMBER})")
_WHOLE = re.compile(r"[-+]?\d+")


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included. whole: whole numbers alone; log: even on a
    logarithmic scale."""

    low: float
    high: float
    whole: bool
    log: bool

    def __str__(self) -> str:
        bounds = [str(int(x)) if self.whole else repr(x) for x in (self.low, self.high)]
        return f"{'log:' if self.log else ''}{'..'.join(bounds)}"


@dataclass(frozen=True)
class Axis:
    """values: at least one, as plain data; or a Range."""

    key: str
    values: tuple[Any, ...] | Range

    def plain(self) -> Any:
        return str(self.values) if isinstance(self.values, Range) else list(self.values)


def axes_of(sets: Sequence[str] | Mapping[str, Any]) -> list[Axis]:
    """What `--set` or `sweep(set=)` says.

    sets: texts like `KEY=2,4,6`, `KEY=[16,32],[32,64]` or `KEY=log:1e-4..1e-2`, or for each key one
    value, a list of values or the text of a range. Raises UserError.
    """
    pairs = sets.items() if isinstance(sets, Mapping) else map(_parsed, sets)
    axes = [Axis(key, _values(key, value)) for key, value in pairs]
    keys = [axis.key for axis in axes]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UserError(f"--set {twice}: given twice; write all of its values with commas")
    if not any(isinstance(axis.values, Range) or len(axis.values) > 1 for axis in axes):
        raise UserError("nothing varies: give a key at least two values, --set KEY=VALUE,VALUE")
    return axes


def _parsed(text: str) -> tuple[str, list[Any]]:
    """Values as YAML reads a list of them, so that commas in brackets and quotes separate none."""
    where = Where(f"--set {text}", 0, 0, Path.cwd())
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        raise RecipeError([Problem(where, "", "write it as key=value,value")])
    found: list[Any] = parse_scalar(f"[{values}]", where).plain()
    return key.strip(), found


def _values(key: str, value: Any) -> tuple[Any, ...] | Range:
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    ranges = [_range(key, each) for each in listed]
    if len(listed) == 1 and ranges[0] is not None:
        return ranges[0]
    if any(ranges):
        raise UserError(f"--set {key}: write either one range or values, not both")
    if any(isinstance(each, float) and not math.isfinite(each) for each in listed):
        raise UserError(f"--set {key}: a value is not a finite number")
    if not listed:
        raise UserError(f"--set {key}: no values")
    if len({repr(each) for each in listed}) < len(listed):
        raise UserError(f"--set {key}: duplicate value")
    return tuple(listed)


def _range(key: str, value: Any) -> Range | None:
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    log, *bounds = found.groups()
    low, high = map(float, bounds)
    if not low < high or (log and low <= 0):
        raise UserError(
            f"--set {key}={value}: a range goes from a number to a larger one"
            + (", with log: both above 0" if log else "")
        )
    return Range(low, high, all(map(_WHOLE.fullmatch, bounds)), bool(log))


def shown(value: Any) -> str:
    """A value as `--set` takes it, for tables and messages."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    return str(value)


def words(point: Mapping[str, Any], keys: Iterable[str] | None = None) -> str:
    """`depth=2, learning_rate=0.003`: a point in words. keys: of it, by default all."""
    return ", ".join(f"{key}={shown(point[key])}" for key in keys or point)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """For each key its last two steps, or as many as tell it from the others."""
    steps = {key: key.split(".") for key in keys}
    names = {}
    for key, own in steps.items():
        for length in range(min(2, len(own)), len(own) + 1):
            end = own[-length:]
            if sum(other[-length:] == end for other in steps.values()) == 1:
                break
        names[key] = ".".join(end)
    return names
