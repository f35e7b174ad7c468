"""Computes one stage, wherever that is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tina_kit.api import Observer, StageInfo
from tina_kit.pipeline.memory import explaining_memory
from tina_kit.pipeline.record import differences
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import Recipe

_LOG = logging.getLogger(__name__)


def compute(
    stage: Stage,
    recipe: Recipe,
    made_by: Mapping[str, Any],
    observer: Observer,
    started: Callable[[StageInfo], None],
) -> float | None:
    """Seconds, None if the result was stored. made_by: versions and hardware of this process."""
    info = stage.info()
    if not info.cached:
        started(info)
    with explaining_memory(recipe, stage.name):
        return stage.ensure(
            lambda line: observer.note(info, line),
            made_by,
            lambda begun_by: warn_of_digits(
                f"{stage.name} continues from a checkpoint", differences(begun_by, made_by)
            ),
        )


def warn_of_digits(what: str, found: Sequence[str]) -> None:
    """found: what `differences` has found, if anything."""
    if found:
        _LOG.warning(
            "%s computed with %s. The last digits may differ from those of a run that was never "
            "stopped",
            what,
            "; ".join(found),
        )
