"""Runs that go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.paths import user_path

if TYPE_CHECKING:
    from tina_kit.pipeline.watched import Watched


def watched(run: str | Path) -> Watched:
    """How far a run is, whether it goes on or has ended in any way: its stages, the curves of the
    training at hand, its events and, once it is done, its table. Call it again to see more. Raises
    UserError for what is no run's folder."""
    from tina_kit.pipeline.watched import watched

    return watched(user_path(run))
