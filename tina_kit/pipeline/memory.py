"""Explains errors about running out of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tina_kit.api import Options, TinaKitError, UserError
from tina_kit.recipe import Recipe, ResolvedComponent

_SHOWN = 3
"""Options that are named."""
# As torch, its CUDA allocator and NumPy say it; MemoryError need not say anything.
_FAILED = re.compile(
    r"can't allocate memory|not enough memory|out of memory|unable to allocate|array is too big"
    r"|storage size calculation overflowed|integer multiplication overflow"
    r"|overflow when unpacking|maximum allowed dimension exceeded",
    re.I,
)
_BYTES = re.compile(r"tried to allocate (\d+) bytes|allocate ([\d.]+ [KMGTPE]iB)", re.I)


@contextmanager
def explaining_memory(recipe: Recipe, what: str) -> Iterator[None]:
    """Turn an allocation that failed into a UserError that names the options that ask for more
    than usual, those farthest above their defaults first. what: is being done."""
    try:
        yield
    except TinaKitError:
        raise
    except Exception as error:
        if not (isinstance(error, MemoryError) or _FAILED.search(str(error))):
            raise
        wanted = _wanted(str(error))
        large = sorted(_above_defaults(recipe), key=lambda found: -found[0])[:_SHOWN]
        remedy = "Choose a smaller recipe or a larger machine"
        if large:
            listed = "; ".join(each for _, each in large)
            remedy = f"Lower options far above their default: {listed}"
        message = f"{recipe.path}: {what}: not enough memory{wanted}. {remedy}"
        raise UserError(message) from error


def _wanted(message: str) -> str:
    """The size in an error's words, to follow "not enough memory"."""
    found = _BYTES.search(message)
    if found is None:
        return ""
    if found[2]:
        return f" ({found[2]} requested)"
    size, units = float(found[1]), ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f" ({size:.1f} {units[0]} requested)"


def _above_defaults(recipe: Recipe) -> Iterator[tuple[float, str]]:
    """How many times its default an option is, and `key: value`."""
    core = recipe.core
    for key in ("generic", "finetune", "evaluation"):
        yield from _of_options(getattr(core, key), key)
    for key in ("dataset", "tasks", "architecture", "conditioner"):
        yield from _of_part(getattr(recipe, key), key)
    for key in ("generators", "studies"):
        for row in getattr(recipe, key):
            yield from _of_part(row.component, f"{key}.{row.name}")


def _of_part(part: ResolvedComponent, key: str) -> Iterator[tuple[float, str]]:
    yield from _of_options(part.options, key)
    for name, child in part.children.items():
        for each in child if isinstance(child, tuple) else (child,):
            yield from _of_part(each, f"{key}.{name}")


def _of_options(options: Options, key: str) -> Iterator[tuple[float, str]]:
    for name, field in type(options).model_fields.items():
        if "seed" in name:
            continue
        value = getattr(options, name)
        usual = field.get_default(call_default_factory=True, validated_data={})
        times = max((_times(v, u) for v, u in _pairs(value, usual)), default=0.0)
        if times > 1:
            yield times, f"{key}.{name}: {value}"


def _pairs(value: Any, usual: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, tuple) and isinstance(usual, tuple):
        yield from zip(value, usual)
    else:
        yield value, usual


def _times(value: Any, usual: Any) -> float:
    """value / usual, where both are counts."""
    counts = [isinstance(n, int) and not isinstance(n, bool) for n in (value, usual)]
    return value / usual if all(counts) and usual > 0 else 0.0
