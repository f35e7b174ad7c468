"""Signals that ask a process to end: Ctrl-C, and what schedulers and closing terminals send.

The command line makes a `KeyboardInterrupt(signal)` of each, so that whatever cleans up after
Ctrl-C does so after SIGTERM and SIGHUP too.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

# Some schedulers announce the end of a job with one of the last three.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt behind an error, None where there is none: Python wraps what comes while a
    class is being made, and what cleans up after it may fail itself."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return error
        error = error.__cause__ or error.__context__
    return None


def signal_of(interrupt: KeyboardInterrupt) -> signal.Signals:
    """The signal that it came from, SIGINT where it does not say."""
    return signal.Signals(interrupt.args[0]) if interrupt.args else signal.SIGINT


@contextmanager
def undisturbed() -> Iterator[None]:
    """Drop these signals while the block runs, which must be short and end the work at hand."""
    if current_thread() is not main_thread():  # where no signal is handled, nor may be set
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
