"""A finished run, opened again by a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.cli.common import registry, show_warnings
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun


def open_run(folder: Path, device: str = "auto") -> FinishedRun:
    from tina_kit.pipeline.console import console
    from tina_kit.pipeline.finished import FinishedRun

    show_warnings()
    run = FinishedRun(folder, registry(), device, [console()])
    store = str(run.store.root)
    if store != run.record["store"]:
        log(f"reading from the store {store} (TINA_KIT_STORE), not from {run.record['store']}")
    return run
