"""Contains the effects of plugin code while tina-kit examines it."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from types import TracebackType
from typing import TextIO

from tina_kit.api.interruption import interruption


class Guard:
    """Catches, silences and times the code inside `with`.

    Everything is caught, including `SystemExit`, except Ctrl-C. Nothing is printed, not even by C
    code or a child process, warnings are ignored, and standard input is empty.

    output: a file to which output is redirected; by default it is discarded.
    """

    error: BaseException | None
    """What was raised, or None."""
    seconds: float
    """Elapsed time."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output

    def __enter__(self) -> Guard:
        self.error = None
        self._silence = _silenced(self._output or _nowhere("w"))
        self._silence.__enter__()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.seconds = time.perf_counter() - self._start
        self._silence.__exit__(None, None, None)
        self.error = error
        if isinstance(error, KeyboardInterrupt):
            return False
        # Some C extensions turn Ctrl-C into an ImportError.
        if interrupt := interruption(error):
            raise KeyboardInterrupt(*interrupt.args) from error
        return True


@cache
def _nowhere(mode: str) -> TextIO:
    """os.devnull; never closed, since imported code may keep `sys.stderr`, as logging handlers
    do."""
    return open(os.devnull, mode)  # type: ignore[return-value]


@contextmanager
def _silenced(output: TextIO) -> Iterator[None]:
    with ExitStack() as after:
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            with suppress(AttributeError, OSError, ValueError):  # None, closed, or without a file
                stream.flush()
            with suppress(OSError):
                kept = os.dup(number)
                after.callback(os.close, kept)
                after.callback(os.dup2, kept, number)
                os.dup2(output.fileno(), number)
        after.enter_context(redirect_stdout(output))
        after.enter_context(redirect_stderr(output))
        after.callback(setattr, sys, "stdin", sys.stdin)
        sys.stdin = _nowhere("r")
        after.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield
