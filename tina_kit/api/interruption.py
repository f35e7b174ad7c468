"""Signals that ask a process to end: Ctrl-C, and those from schedulers and closing terminals.

The command line turns each into a `KeyboardInterrupt(signal)`, so that code that cleans up after
Ctrl-C also does so after SIGTERM and SIGHUP.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

# Some schedulers send one of the last three before they kill a job.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt that caused an error, or None: Python wraps an interrupt that arrives during
    the creation of a class, and cleaning up after one may itself fail."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return error
        error = error.__cause__ or error.__context__
    return None


def signal_of(interrupt: KeyboardInterrupt) -> signal.Signals:
    """The signal that caused it; SIGINT if it does not say."""
    return signal.Signals(interrupt.args[0]) if interrupt.args else signal.SIGINT


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore these signals while the block runs; it must be short and the last thing to be done."""
    if current_thread() is not main_thread():  # only the main thread may set handlers
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
