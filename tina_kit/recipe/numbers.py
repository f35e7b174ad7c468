"""Numbers that no computation takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LARGEST_FLOAT = 3.4e38


def beyond(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where numbers stand that torch does not take: in 64 bits an integer, in 32 bits a float."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from beyond(child, (*path, name))
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield from beyond(child, (*path, index))
    elif isinstance(value, float):
        if abs(value) > LARGEST_FLOAT:
            yield path
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield path
