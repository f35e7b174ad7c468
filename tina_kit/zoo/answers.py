"""What a p-Model says about images and about itself, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from tina_kit.api import UserError
from tina_kit.zoo.rejection import Rejection


def ranked(probabilities: Tensor, classes: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
    """float32 `(N, C)` → for each image the `k` most probable classes, best first; equal ones in
    the classes' order. Raises UserError for k < 1."""
    if k < 1:
        raise UserError(f"at least one class an image must be asked for, not {k}")
    order = probabilities.argsort(dim=1, descending=True, stable=True)[:, :k]
    return [
        [(classes[place], float(row[place])) for place in places]
        for row, places in zip(probabilities, order.tolist())
    ]


def summary(
    metadata: Mapping[str, Any], classes: Sequence[str], size: tuple[int, int], parameters: int
) -> dict[str, Any]:
    """`PModel.info`. metadata: of its file, which may have been altered by anybody."""
    seen = metadata.get("seen")
    asked = seen.get("classes") if isinstance(seen, Mapping) else None
    entries = asked if isinstance(asked, list) else []
    unseen = [
        each.get("name") for each in entries if isinstance(each, Mapping) and not each.get("seen")
    ]
    rejection = Rejection.read(metadata.get("rejection"))
    return {
        "classes": list(classes),
        "image_size": list(size),
        "parameters": parameters,
        "architecture": _name(metadata.get("architecture"), "use"),
        "generator": _name(metadata.get("generator"), "name"),
        "run": metadata.get("run"),
        "prompts": metadata.get("prompts"),
        "seed": metadata.get("seed"),
        "unseen": unseen if asked is not None else None,
        "expected": _expected(metadata.get("expected")),
        "rejection": None if rejection is None else rejection.model_dump(),
    }


def _name(facts: Any, key: str) -> str | None:
    return facts.get(key) if isinstance(facts, Mapping) else None


def _expected(facts: Any) -> dict[str, Any] | None:
    """What a generator's p-Acc is said to be, if it has the form that generators give it."""
    if not isinstance(facts, Mapping):
        return None
    numbers: list[Any] = [facts.get(key) for key in ("p_acc", "tasks", "classes")]
    bounds = facts.get("ci95")
    if isinstance(bounds, list) and len(bounds) == 2:
        numbers += bounds
    elif bounds is not None:
        return None
    if not all(map(_is_finite, numbers)):
        return None
    return dict(facts)


def _is_finite(number: Any) -> bool:
    try:
        return type(number) in (int, float) and math.isfinite(number)
    except OverflowError:  # An integer that no float can hold.
        return False
