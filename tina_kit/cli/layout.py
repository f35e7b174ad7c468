"""Text that fits the terminal: words stay whole, and nothing is abridged but with `shortened`."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from shutil import get_terminal_size
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from tina_kit.api.messages import printable, wrapped
from tina_kit.cli.terminal import raw

if TYPE_CHECKING:
    from tina_kit.report.table import Table

_NARROW = 20
"""With fewer columns left for it, the last cell gets lines of its own."""


def width() -> int | None:
    """Columns to fit text in: COLUMNS or the terminal's; None where lines may be of any length, as
    in a pipe to `grep`."""
    if not os.environ.get("COLUMNS") and not sys.stdout.isatty():
        return None
    return max(get_terminal_size().columns, 40)


def print_wrapped(text: str, indent: str = "", faint: bool = False) -> None:
    """Print a paragraph. faint: what may be passed over, such as a caption."""
    for line in wrapped(text, width(), indent, indent):
        if faint and has_colour():
            print(f"\x1b[2m{printable(line)}\x1b[0m", file=raw(sys.stdout))
        else:
            print(line)


def print_table(table: Table) -> None:
    """Print a results table with its caption."""
    for line in table.lines(width()):
        print(line)
    print_wrapped(table.caption, faint=True)


def print_json(value: Any) -> None:
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """Without NaN and infinity, which JSON does not have: null in their place."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of the same keys, with a header."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def has_colour() -> bool:
    """Whether stdout is a terminal that shows colour, and NO_COLOR (https://no-color.org) is not
    set."""
    shows = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return shows and not os.environ.get("NO_COLOR")


def shortened(text: str, indent: int) -> str:
    """What fits in a line that begins after `indent` columns, up to a word's end."""
    columns = width()
    return text if columns is None else shorten(text, columns - indent, placeholder=" …")


def print_rows(table: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print aligned cells, the last of which is wrapped, or comes below the others if too little
    is left for it."""
    for line in _rows(table, width(), indent):
        print(line)


def _rows(table: Sequence[Sequence[str]], columns: int | None, indent: str) -> Iterator[str]:
    if not table:
        return
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]) - 1)]
    taken = len(indent) + sum(each + 2 for each in widths)
    least = min(_NARROW, max(len(row[-1]) for row in table))
    below = columns is not None and columns - taken < least
    for *cells, last in table:
        if below:
            yield from wrapped("  ".join(cells).rstrip(), columns, indent, f"{indent}  ")
            yield from wrapped(last, columns, f"{indent}    ", f"{indent}    ")
        else:
            start = indent + "".join(f"{cell.ljust(each)}  " for cell, each in zip(cells, widths))
            yield from wrapped(last, columns, start, " " * taken) or [start.rstrip()]
