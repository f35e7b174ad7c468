"""Finds numbers that torch cannot represent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LARGEST_FLOAT = 3.4e38


def beyond(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all integers beyond 64 bits and floats beyond float32."""
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
