"""What users say of a run: tags and a note, in `notes.json` in its folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tina_kit.api import UserError
from tina_kit.store.disk import explaining
from tina_kit.store.files import read_json, write_json

FILE = "notes.json"
LONGEST_TAG, LONGEST_NOTE = 100, 10_000
"""In characters."""
MOST_TAGS = 100


@dataclass(frozen=True)
class Notes:
    tags: tuple[str, ...] = ()
    note: str = ""


def read_notes(folder: Path) -> Notes:
    """Nothing if there is no such file, or none that can be read: a list of runs must not fail for
    one of them."""
    try:
        content = read_json(folder / FILE)
        tags, note = content["tags"], content["note"]
        return Notes(tuple(map(str, tags)), str(note)) if isinstance(tags, list) else Notes()
    except (OSError, ValueError, KeyError, TypeError):
        return Notes()


def tagged(folder: Path, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Notes:
    """Add tags to a run and remove others. Raises UserError for what cannot be a tag."""
    notes, gone = read_notes(folder), set(remove)
    for tag in (new := list(add)):
        _check_tag(tag)
    if unknown := gone - {*notes.tags, *new}:
        have = ", ".join(notes.tags) or "none"
        raise UserError(f"{folder}: it has no tag {min(unknown)!r}; its tags: {have}")
    tags = tuple(tag for tag in dict.fromkeys((*notes.tags, *new)) if tag not in gone)
    if len(tags) > MOST_TAGS:
        raise UserError(f"{folder}: more than {MOST_TAGS} tags")
    return _written(folder, Notes(tags, notes.note))


def noted(folder: Path, note: str) -> Notes:
    """Replace the note of a run. Raises UserError for one that is too long."""
    if len(note) > LONGEST_NOTE:
        raise UserError(f"a note must not exceed {LONGEST_NOTE:,} characters")
    return _written(folder, Notes(read_notes(folder).tags, note))


def _written(folder: Path, notes: Notes) -> Notes:
    with explaining(folder, "move the run folder to another disk"):
        write_json(folder / FILE, {"tags": list(notes.tags), "note": notes.note})
    return notes


def _check_tag(tag: str) -> None:
    if not tag or len(tag) > LONGEST_TAG or not tag.isprintable() or set(tag) & set(" ,"):
        raise UserError(
            f"tag {tag!r}: a tag has 1 to {LONGEST_TAG} characters, no spaces and no commas"
        )
