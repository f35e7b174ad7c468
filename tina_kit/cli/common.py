"""What several commands need."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tina_kit.plugins import Registry


def log(line: str) -> None:
    """Logs go to stderr, results to stdout."""
    with suppress(BrokenPipeError):  # that nobody reads the log any more ends no run
        print(line, file=sys.stderr, flush=True)


def registry() -> Registry:
    """All plugins; those that failed are named once, and with TINA_KIT_DEBUG explained."""
    from tina_kit.plugins import discover

    found = discover()
    for failure in found.failures:
        log(f"warning: {failure}")
        if "--debug" in sys.argv or os.environ.get("TINA_KIT_DEBUG"):
            log(failure.traceback)
    return found
