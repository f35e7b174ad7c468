"""Columns that fit a terminal: no word is broken, and no name is shortened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from tina_kit.cli.terminal import width

_NARROW = 20
"""With fewer columns left for it, the last cell gets lines of its own."""


def rows(table: Sequence[Sequence[str]], columns: int | None, indent: str = "") -> Iterator[str]:
    """Aligned cells, the last of which is wrapped; below the others where too little is left for
    it. columns: of the terminal, None for lines of any length."""
    if not table:
        return
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]) - 1)]
    taken = len(indent) + sum(each + 2 for each in widths)
    least = min(_NARROW, max(len(row[-1]) for row in table))
    below = columns is not None and columns - taken < least
    for *cells, last in table:
        if below:
            yield from _wrapped("  ".join(cells), columns, indent, indent + "  ")
            yield from _wrapped(last, columns, f"{indent}    ", f"{indent}    ")
        else:
            start = indent + "".join(f"{cell.ljust(each)}  " for cell, each in zip(cells, widths))
            yield from _wrapped(last, columns, start, " " * taken) or [start.rstrip()]


def print_rows(table: Sequence[Sequence[str]], indent: str = "") -> None:
    """Print `rows` for the terminal at hand."""
    for line in rows(table, width(), indent):
        print(line)


def _wrapped(text: str, columns: int | None, first: str, others: str) -> list[str]:
    if columns is None:
        return [f"{first}{text}".rstrip()]
    return wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
