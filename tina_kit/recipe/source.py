"""Reads a recipe file and those that it extends, with limits on size and number."""

from __future__ import annotations

from pathlib import Path

from tina_kit.api import UserError
from tina_kit.api.files import FileProblem, open_regular
from tina_kit.recipe.missing import absent
from tina_kit.recipe.node import Node, Problem, RecipeError, Where
from tina_kit.recipe.paths import located
from tina_kit.recipe.shipped import suggestion
from tina_kit.recipe.yaml12 import parse, place_in

LARGEST = 256 * 1024
"""Maximum total size of a recipe and all that it extends, in bytes."""
LONGEST = 50
"""Maximum length of a chain of recipes."""


def written(path: Path) -> list[Node]:
    """A recipe as it is written, the one that it extends, and so on; each is a mapping.

    Raises UserError if the file cannot be read and RecipeError for mistakes in it.
    """
    data = _content(path, LARGEST, None)
    chain, places = [_parsed(data, path)], [path.resolve()]
    left = LARGEST - len(data)
    while (base := chain[-1].value.get("extends")) is not None:
        path = _base(base, len(chain))
        data = _content(path, left, base.where)
        if path in places:
            raise _wrong(base.where, "the recipes extend each other")
        left -= len(data)
        places.append(path)
        chain.append(_parsed(data, path))
    return chain


def _base(node: Node, length: int) -> Path:
    """The file that a recipe extends. length: the number of recipes so far."""
    if not isinstance(node.value, str):
        raise _wrong(node.where, "must be the path of a single recipe")
    if length == LONGEST:
        raise _wrong(node.where, f"a chain of more than {LONGEST} recipes")
    try:
        return located(node)
    except UserError as error:
        raise _wrong(node.where, str(error)) from None


def _content(path: Path, limit: int, named_at: Where | None) -> bytes:
    """named_at: the location at which another recipe names it, if any."""
    problem = absent(path, regular=True)
    data = b""
    try:
        if not problem:
            with open_regular(path) as file:
                data = file.read(limit + 1)
    except (OSError, FileProblem) as error:
        problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
    if problem and named_at is None:
        raise UserError(problem + (suggestion(path) if problem.startswith("there is no") else ""))
    where = named_at or Where(str(path), 1, 1, path.parent)
    if len(data) > limit:
        problem = f"a recipe and all that it extends must not exceed {LARGEST // 1024} KiB"
    if problem:
        raise _wrong(where, problem, "extends" if named_at else "")
    return data


def _parsed(data: bytes, path: Path) -> Node:
    folder = path.resolve().parent
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = place_in(data[: error.start].decode("utf-8"))
        raise _wrong(Where(str(path), *place, folder), "a recipe must be UTF-8 text", "") from None
    node = parse(text, str(path), folder)
    if not isinstance(node.value, dict):
        raise _wrong(node.where, "a recipe must be a mapping, like `name: my-run`", "")
    return node


def _wrong(where: Where, message: str, key: str = "extends") -> RecipeError:
    return RecipeError([Problem(where, key, message)])
