"""What the command line writes, without control characters of other people's.

A recipe, a folder's name or the answer of a server can hold escape sequences, which would move the
cursor, recolour or rewrite what a terminal shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

from tina_kit.api.messages import printable


class _Printable:
    """A text stream that writes what is printable."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(printable(text, lines=True))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def printing() -> Iterator[None]:
    """Standard output as it is while a command runs."""
    if sys.stdout is None:
        yield
        return
    with redirect_stdout(cast(TextIO, _Printable(sys.stdout))):
        yield


def raw(stream: TextIO) -> TextIO:
    """The stream beneath, for a table that is drawn with escape sequences of our own."""
    return stream.stream if isinstance(stream, _Printable) else stream
