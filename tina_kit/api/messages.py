"""Shows untrusted text in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from textwrap import wrap

# Control characters except tab and line feed, bidirectional controls, and lone surrogates, which
# no terminal can encode.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = str.maketrans({"\n": r"\n", "\t": r"\t"})


def printable(text: str, lines: bool = False) -> str:
    """The text with control characters escaped as in JSON, like \\u001b.

    lines: keep line feeds and tabs; by default they are escaped, to show a name on one line.
    """
    text = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text if lines else text.translate(_LAYOUT)


def abridged(names: Iterable[str], count: int = 5) -> str:
    """The first `count` names, and how many more there are."""
    all_names = [printable(name) for name in names]
    more = [f"and {len(all_names) - count:,} more"] if len(all_names) > count else []
    return ", ".join(all_names[:count] + more)


def wrapped(text: str, columns: int | None, first: str = "", others: str = "") -> list[str]:
    """The lines of a paragraph, whose words stay whole; `first` and `others` begin them.

    columns: to fit it in, None for one line of any length.
    """
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
