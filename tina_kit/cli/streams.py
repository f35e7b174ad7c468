"""stdout and stderr that can always be written to, whatever they lead to and in any encoding."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from tina_kit.api.errors import TinaKitError

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
    sys.stdout = _renewed(sys.stdout, sys.__stdout__, _Results)
    sys.stderr = _renewed(sys.stderr, sys.__stderr__, _Log)


class _Log(io.FileIO):
    """Loses what cannot be written: that nobody can read the log any more ends no run."""

    def write(self, data: ReadableBuffer) -> int:
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


class _Results(io.FileIO):
    """Tells once what it cannot write. A reader who has seen enough, like `head`, is no error."""

    _lost = False

    def write(self, data: ReadableBuffer) -> int:
        try:
            if not self._lost:
                return super().write(data)
        except OSError as error:
            self._lost = True
            if error.errno != errno.EPIPE:
                raise TinaKitError(f"stdout cannot be written to: {error.strerror}") from error
        return memoryview(data).nbytes


def _renewed(now: TextIO | None, first: TextIO | None, kind: type[io.FileIO]) -> TextIO:
    if now is None:
        return open(os.devnull, "w", encoding="utf-8")
    if now is not first or not isinstance(now, io.TextIOWrapper):  # somebody else's, like a test's
        return now
    raw = kind(now.fileno(), "w", closefd=False)
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
