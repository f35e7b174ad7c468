"""Names that are missing, and those that may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from tina_kit.api import name_key

HINTED = 3
"""Number of missing names for which a similar one is suggested."""


def listed(missing: Iterable[str], known: Iterable[str]) -> str:
    """Every missing name once, the first few with the most similar known `name_key`."""
    names, known = list(dict.fromkeys(missing)), list(known)
    return ", ".join([f"{name}{_hint(name, known)}" for name in names[:HINTED]] + names[HINTED:])


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name_key(name), known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
