"""stdout and stderr that can always be written to, whatever they lead to and in any encoding."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SPELLED = {
    **{"±": "+-", "×": "x", "·": "*", "−": "-", "–": "-", "…": "..."},
    **{"→": "->", "↔": "<->", "≤": "<=", "≥": ">="},
}


def open_streams() -> None:
    """Make sys.stdout and sys.stderr such streams. Descriptors that the caller had closed lead to
    nowhere from now on: the next file would take their number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    codecs.register_error("spelled", _spelled)
    sys.stdout = _renewed(sys.stdout, sys.__stdout__)
    sys.stderr = _renewed(sys.stderr, sys.__stderr__)


def lost() -> str | None:
    """Why a result could not be printed. A reader who has seen enough, like `head`, is no reason,
    and that nobody can read the log is none either."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    error = getattr(getattr(buffer, "raw", buffer), "error", None)
    return error.strerror if error is not None and error.errno != errno.EPIPE else None


class _Lenient(io.FileIO):
    """Loses what cannot be written and remembers why."""

    error: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.error = self.error or error
            return memoryview(data).nbytes


def _renewed(now: TextIO | None, first: TextIO | None) -> TextIO:
    if now is None:
        return open(os.devnull, "w", encoding="utf-8")
    if now is not first or not isinstance(now, io.TextIOWrapper):  # somebody else's, like a test's
        return now
    raw = _Lenient(now.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        raw if now.write_through else io.BufferedWriter(raw),
        encoding=now.encoding,
        errors="spelled",
        line_buffering=now.line_buffering,
        write_through=now.write_through,
    )


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks in letters that it has, so that a table keeps its shape, or else as
    an escape of JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_SPELLED.get(c) or json.dumps(c)[1:-1] for c in text), error.end
