"""A finished run, opened again by a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.cli.common import registry, show_warnings

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun


def open_run(folder: Path, device: str = "auto") -> FinishedRun:
    from tina_kit.pipeline.console import console
    from tina_kit.pipeline.finished import FinishedRun

    show_warnings()
    return FinishedRun(folder, registry(), device, [console()])
