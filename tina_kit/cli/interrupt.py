"""Ctrl-C, SIGTERM and SIGHUP: one line and exit code 128 + signal, wherever they come."""

from __future__ import annotations

import signal
import sys
import time
from _thread import interrupt_main
from contextlib import suppress
from threading import Timer, current_thread, main_thread
from typing import Any

from tina_kit.api.interruption import SIGNALS

_TOGETHER_S = 1.0  # a terminal, a shell and a scheduler may each pass on the same one
_AGAIN_S = 5.0  # a library's bare `except:` may have swallowed it
_SOON_S = 0.5  # long enough to be out of a callback
_timers: list[Timer] = []
_first: signal.Signals | None = None
_last_s = 0.0


def listen() -> None:
    """Raise `KeyboardInterrupt(signal)` in the main thread when one of the signals comes.

    One that the parent process had ignored (nohup, a shell's background job) stays ignored.
    """
    sys.unraisablehook = _again_where_ignored
    if current_thread() is main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, _interrupt)


def finish() -> None:
    """Let none come any more: the command has its exit code."""
    while _timers:
        _timers.pop().cancel()
    for number in SIGNALS:
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_IGN)
    # Python remembers one that has passed through an `exec`, and would end by SIGINT in the end.
    exec("")


def interrupted() -> int:
    """Say so; returns the exit code."""
    came = _first or signal.SIGINT
    by = "" if came == signal.SIGINT else f" by {came.name}"
    with suppress(OSError):
        print(
            f"Interrupted{by}. Finished stages are kept; run the same command to resume.",
            file=sys.stderr,
        )
    return 128 + came


def is_interrupted(code: object) -> bool:
    """Whether an exit code is what some versions of typer make of Ctrl-C."""
    return code == 128 + signal.SIGINT


def _interrupt(number: int, _: object) -> None:
    global _first, _last_s
    now = time.monotonic()
    if _first is not None and now - _last_s < _TOGETHER_S:
        return
    _first, _last_s = _first or signal.Signals(number), now
    _come_again(_AGAIN_S)
    raise KeyboardInterrupt(_first)


def _come_again(seconds: float) -> None:
    timer = Timer(seconds, interrupt_main, (_first or signal.SIGINT,))
    timer.daemon = True
    _timers.append(timer)
    timer.start()


def _again_where_ignored(unraisable: Any) -> None:
    """What comes within a callback, where Python can only ignore it, comes again a moment later."""
    global _last_s
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _last_s = 0.0
        _come_again(_SOON_S)
    else:
        sys.__unraisablehook__(unraisable)
