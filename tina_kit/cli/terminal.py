"""What the command line writes, without control characters of other people's.

A recipe, a folder's name or the answer of a server can hold escape sequences, which would move the
cursor, recolour or rewrite what a terminal shows.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
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


def width() -> int | None:
    """Columns to fit text in: COLUMNS or the terminal's; None where lines may be of any length, as
    in a pipe to `grep`."""
    if not os.environ.get("COLUMNS") and not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, 40)


def print_wrapped(text: str, indent: str = "", hanging: int = 0) -> None:
    """Print a paragraph, broken between words only. hanging: columns by which all lines but the
    first are indented further."""
    columns = width()
    if columns is None:
        print(indent + text)
        return
    lines = textwrap.wrap(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=indent + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    print("\n".join(lines))


def shortened(text: str, indent: int) -> str:
    """What fits in a line that begins after `indent` columns, up to a word's end."""
    columns = width()
    return text if columns is None else textwrap.shorten(text, columns - indent, placeholder=" …")
