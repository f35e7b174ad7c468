"""The points of a sweep whose values are chosen before anything is measured."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

from tina_kit.api import UserError
from tina_kit.sweeps.axes import Axis, Range

Point = dict[str, Any]
"""Dotted keys → plain values."""
MOST = 1000
"""Points of a sweep."""


def grid(axes: Sequence[Axis]) -> list[Point]:
    """Every combination; the last key varies fastest. Raises UserError for a range and for too
    many."""
    for axis in axes:
        if isinstance(axis.values, Range):
            raise UserError(
                f"--set {axis.key}={axis.values}: a grid needs values; give some, separated by "
                "commas, or draw from the range with --random N or --search N"
            )
    size = math.prod(_size(axis) for axis in axes)
    if size > MOST:
        raise UserError(
            f"the grid has {size:,} points, and a sweep at most {MOST:,}; draw some of them with "
            "--random N"
        )
    choices = [axis.values for axis in axes if not isinstance(axis.values, Range)]
    keys = [axis.key for axis in axes]
    return [dict(zip(keys, values)) for values in itertools.product(*choices)]


def corners(axes: Sequence[Axis]) -> list[Point]:
    """Points in which every value occurs, or both ends of a range, beside the others' first."""
    values = {axis.key: _listed(axis.values) for axis in axes}
    first = {key: some[0] for key, some in values.items()}
    return [first, *({**first, key: each} for key, some in values.items() for each in some[1:])]


def _listed(values: tuple[Any, ...] | Range) -> tuple[Any, ...]:
    if not isinstance(values, Range):
        return values
    ends = (values.low, values.high)
    return tuple(map(int, ends)) if values.whole else ends


def drawn(axes: Sequence[Axis], count: int, seed: int) -> list[Point]:
    """`count` random points, or all if the values have fewer combinations. The first of them do not
    depend on how many are drawn."""
    if not any(isinstance(axis.values, Range) for axis in axes):
        size = math.prod(_size(axis) for axis in axes)
        if size <= MOST:
            points = grid(axes)
            random.Random(f"{seed}").shuffle(points)
            return points[:count]
    points = []
    for number in range(count):
        points.append(
            {
                axis.key: _draw(axis.values, random.Random(f"{seed}/{number}/{axis.key}"))
                for axis in axes
            }
        )
    return points


def _size(axis: Axis) -> int:
    assert not isinstance(axis.values, Range)
    return len(axis.values)


def _draw(values: tuple[Any, ...] | Range, source: random.Random) -> Any:
    if not isinstance(values, Range):
        return source.choice(values)
    if values.log:
        low, high = math.log(values.low), math.log(values.high)
        number = math.exp(source.uniform(low, high))
        number = min(max(number, values.low), values.high)
        return round(number) if values.whole else float(f"{number:.6g}")
    if values.whole:
        return source.randint(int(values.low), int(values.high))
    return float(f"{source.uniform(values.low, values.high):.6g}")
