"""Finds and lists the recipes that come with tina-kit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import tina_kit
from tina_kit.api import UserError

FOLDER = "recipes"


@dataclass(frozen=True)
class Shipped:
    """A shipped recipe. name: its path in the recipes folder, without `.yaml`."""

    name: str
    path: Path


@cache
def shipped() -> Sequence[Shipped]:
    """All shipped recipes, those in subfolders last."""
    folder = _folder()
    paths = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return [Shipped(path.relative_to(folder).with_suffix("").as_posix(), path) for path in paths]


def recipe_file(path: Path) -> Path:
    """`path`, or if there is no such file the shipped recipe that it names: `quickstart`,
    `paper/table1`, `table1`, with or without `.yaml` and a leading `recipes/`."""
    try:
        if path.exists() and not path.is_dir():
            return path
    except OSError:  # for example if the name is too long
        return path
    found = _named(path)
    return path if found is None else found.path


def shipped_recipe(name: str) -> Shipped:
    """The shipped recipe of this name. Raises UserError if there is none."""
    found = _named(Path(name))
    if found is None:
        raise UserError(f"there is no shipped recipe '{name}'{suggestion(Path(name))}")
    return found


def suggestion(path: Path) -> str:
    """What to append to "there is no PATH": which shipped recipe may have been meant, or "" if the
    path cannot name one."""
    if path.is_absolute() or path.suffix not in ("", ".yaml"):
        return ""
    known = {each.name.rpartition("/")[2]: each.name for each in shipped()}
    close = get_close_matches(path.stem, known, n=1)
    if close:
        return f"; did you mean the shipped recipe '{known[close[0]]}'?"
    return "; `tina-kit recipes` lists the shipped recipes"


def _named(path: Path) -> Shipped | None:
    if path.is_absolute() or path.suffix not in ("", ".yaml"):
        return None
    name = path.with_suffix("").as_posix().removeprefix(f"{FOLDER}/")
    return next((each for each in shipped() if name in (each.name, each.path.stem)), None)


def _folder() -> Path:
    """Inside the installed package or, in a checkout, next to it."""
    package = Path(tina_kit.__file__).parent
    inside = package / FOLDER
    return inside if inside.is_dir() else package.parent / FOLDER
