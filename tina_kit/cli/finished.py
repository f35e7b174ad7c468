"""A finished run, opened again by a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.cli.common import registry
from tina_kit.cli.progress import progress

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun


def open_run(folder: Path, device: str = "auto") -> FinishedRun:
    from tina_kit.pipeline.finished import FinishedRun

    return FinishedRun(folder, registry(), device, [progress()])
