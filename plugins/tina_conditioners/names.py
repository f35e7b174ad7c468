"""Names that are missing, and those that may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tina_kit.api import name_key

HINTED = 3
"""Show the nearest name for at most this many missing names; more would hide the list."""


def listed(missing: Iterable[str], known: Iterable[str]) -> str:
    """Every missing name once, the first few with the nearest one of the known `name_key`s."""
    names, known = list(dict.fromkeys(missing)), list(known)
    return ", ".join([f"{name}{_hint(name, known)}" for name in names[:HINTED]] + names[HINTED:])


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name_key(name), known, n=1)
    return f" (the nearest name is '{close[0]}')" if close else ""
