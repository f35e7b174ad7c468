"""Ctrl-C: one line and exit code 130, also where Python could only ignore it."""

from __future__ import annotations

import sys
from _thread import interrupt_main
from contextlib import suppress
from threading import Timer
from typing import Any

INTERRUPTED = 130
_AGAIN_S = 0.5  # long enough to be out of the callback
_coming: list[Timer] = []


def interrupted() -> int:
    """Say so; returns the exit code."""
    with suppress(BrokenPipeError):
        print("interrupted; what is finished is kept, run again to go on", file=sys.stderr)
    return INTERRUPTED


def is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: Python wraps what comes while a class is being made, and
    what cleans up after it may fail itself."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def again_where_ignored(unraisable: Any) -> None:
    """A `sys.unraisablehook`. Ctrl-C within a callback, where Python can only ignore it, comes
    again a moment later."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        timer = Timer(_AGAIN_S, interrupt_main)
        timer.daemon = True
        _coming.append(timer)
        timer.start()
    else:
        sys.__unraisablehook__(unraisable)


def forget_ignored() -> None:
    """Let none come again: the command has its exit code."""
    while _coming:
        _coming.pop().cancel()
