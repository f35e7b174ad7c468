"""Class names: their spelling as prompts, and when two of them count as the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from tina_kit.api.errors import UserError

# The braille blank looks like a space, but Unicode does not count it as white space.
_SPACES = re.compile(r"[\s\u2800]+")
# Zero-width and direction marks, the byte order mark and the soft hyphen mean nothing in a name.
_MARKS = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
# Joiners, fillers and variation selectors change a name's appearance, not its identity.
_SHAPING = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
_WITHOUT_MARKS = re.compile(f"[{_MARKS}]")
_IGNORED = re.compile(f"[{_MARKS}{_SHAPING}]")
_INVISIBLE = {"Cf", "Zs", "Zl", "Zp", "Mn", "Me"}
_LISTED = 5  # problems that an error lists


def name_key(name: str) -> str:
    """The form in which class names are compared: names with equal keys are the same.

    Unicode forms, case, underscores, white space and invisible characters are ignored (NFKC, case
    folding, runs of white space and underscores become one space and are stripped at the ends). The
    key is not for display: `as_words` returns a prompt.
    """
    return _key(name)


@lru_cache(maxsize=1 << 14)  # many tasks name the same classes
def _key(name: str) -> str:
    # Unicode's compatibility caseless matching (D146) folds twice, because some characters
    # decompose into others that have a case.
    text = unicodedata.normalize("NFD", _IGNORED.sub("", name)).casefold()
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", text)
    return tidy(text.replace("_", " "))


def as_words(name: str) -> str:
    """The name of a folder, a file or a table entry as a prompt: `sea_horse` becomes "sea horse".

    Underscores become spaces; then `tidy` is applied.
    """
    return tidy(name.replace("_", " "))


def tidy(name: str) -> str:
    """The name in NFC without invisible marks, stripped, with each run of white space replaced by
    one space."""
    text = unicodedata.normalize("NFC", _WITHOUT_MARKS.sub("", name))
    return _SPACES.sub(" ", text).strip()


def name_index(names: Sequence[str], places: Sequence[str] | None = None) -> dict[str, int]:
    """The position of each class name by its `name_key`.

    places: where each name comes from, for error messages: "folder red_circle", "names.tsv:3"; by
        default "name 3", counted from 1.
    Raises UserError listing every name that is not text, is empty or invisible, or contains control
    characters or invalid UTF-8, or otherwise all names that are the same, each with its place.
    """
    places = places or [f"name {number}" for number in range(1, len(names) + 1)]
    wrong = [
        f"{shown(name)} ({place}) {problem}"
        for name, place in zip(names, places)
        for problem in [_problem(name)]
        if problem
    ]
    if wrong:
        raise UserError(f"{_listed(wrong)}. Rename it")
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name_key(name), []).append(position)
    same = [
        _collision([names[p] for p in positions], [places[p] for p in positions])
        for positions in found.values()
        if len(positions) > 1
    ]
    if same:
        raise UserError(
            f"{_listed(same)}. Case, spaces, underscores and Unicode forms are ignored; rename or "
            "remove one"
        )
    return {key: positions[0] for key, positions in found.items()}


def shown(name: object) -> str:
    """A name in quotes for a message, with unprintable characters escaped."""
    if not isinstance(name, str):
        return repr(name)
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name) + "'"


def _problem(name: object) -> str:
    """What is wrong with a single name, "" for nothing."""
    if not isinstance(name, str):
        return f"is not text but {type(name).__name__}"
    categories = {unicodedata.category(c) for c in name.strip()}
    if "Cs" in categories:
        return "is not UTF-8"
    if "Cc" in categories:
        return "contains control characters"
    if categories <= _INVISIBLE or not name_key(name):
        return "is an empty name"
    return ""


def _collision(names: Sequence[str], places: Sequence[str]) -> str:
    spelled = [shown(name) for name in names]
    if len({unicodedata.normalize("NFC", text) for text in spelled}) < len(set(names)):
        spelled = [ascii(name) for name in names]  # they would look the same
    pairs = [f"{name} ({place})" for name, place in zip(spelled, places)]
    return f"{', '.join(pairs[:-1])} and {pairs[-1]} are the same class name"


def _listed(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    return "; ".join(problems[:_LISTED]) + more
