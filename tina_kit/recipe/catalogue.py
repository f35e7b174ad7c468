"""Descriptions of the shipped recipes, and copies of them to edit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tina_kit.recipe.load import OWN, source_of
from tina_kit.recipe.shipped import shipped, shipped_recipe
from tina_kit.recipe.writing import written
from tina_kit.recipe.yaml12 import parse
from tina_kit.store.new_file import write_new


@dataclass(frozen=True)
class Described:
    """A shipped recipe. dataset: the component's name; time: how long a run takes, as stated in the
    recipe; description: one line."""

    name: str
    dataset: str
    time: str
    description: str
    path: Path


def catalogue() -> list[Described]:
    """All shipped recipes, sorted by name, those in subfolders last."""
    found = []
    for each in shipped():
        recipe = source_of(each.path).plain()
        time, description = (str(recipe.get(key, "")) for key in ("time", "description"))
        found.append(Described(each.name, recipe["dataset"]["use"], time, description, each.path))
    return found


def copy_recipe(name: str, folder: Path) -> Path:
    """Write a shipped recipe to `folder`, merged with those that it extends, so that it can be run
    and edited there. Returns the new file. Raises UserError if the file already exists."""
    recipe = shipped_recipe(name)
    text = recipe.path.read_text(encoding="utf-8")
    if "extends" in parse(text, str(recipe.path), recipe.path.parent).value:
        source = source_of(recipe.path).plain()
        first = {key: source.pop(key) for key in OWN if key in source}
        last = {key: source.pop(key) for key in ("profiles",) if key in source}
        note = f"The shipped recipe {recipe.name}, merged with what it extends."
        text = written({**first, **source, **last}, {"": f"{note}\n{_head(text)}"})
    target = folder / recipe.path.name
    write_new(target, text, "name another folder")
    return target


def _head(text: str) -> str:
    """The comment at the top of a recipe."""
    lines = text.splitlines()
    count = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line[1:].removeprefix(" ") for line in lines[:count])
