"""A recipe's file and those that it extends: read with limits, and never quoted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tina_kit.api import UserError
from tina_kit.recipe.missing import meant
from tina_kit.recipe.node import Node, Problem, RecipeError, Where
from tina_kit.recipe.yaml12 import parse, place_in

LARGEST = 256 * 1024
"""Bytes of a recipe together with all that it extends."""
LONGEST = 50
"""Recipes that extend one another."""
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # for whoever may write to a named pipe


def written(path: Path) -> list[Node]:
    """A recipe as it is written, the one that it extends, and so on; each is a mapping.

    Raises UserError when the file cannot be read and RecipeError for mistakes in it.
    """
    try:
        data = _content(path, LARGEST, Where(str(path), 1, 1, path.parent), "")
    except OSError as error:
        near = meant(path) if isinstance(error, FileNotFoundError) else ""
        raise UserError(f"{path}: the recipe cannot be read: {error.strerror}{near}") from None
    chain, places = [_parsed(data, path)], [path.resolve()]
    left = LARGEST - len(data)
    while (base := chain[-1].value.get("extends")) is not None:
        path = _base(base, len(chain))
        try:
            data = _content(path, left, base.where, "extends")
        except (FileNotFoundError, NotADirectoryError):
            raise _wrong(base.where, f"there is no {path}{meant(path)}") from None
        except IsADirectoryError:
            raise _wrong(base.where, f"there is no {path} (it is a folder)") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "no file can have this name")
            raise _wrong(base.where, f"{path} cannot be read: {reason}") from None
        if path.resolve() in places:
            raise _wrong(base.where, "the recipes extend each other")
        left -= len(data)
        places.append(path.resolve())
        chain.append(_parsed(data, path))
    return chain


def _base(node: Node, length: int) -> Path:
    """The file that a recipe extends, where so many recipes stand above it."""
    if not isinstance(node.value, str):
        raise _wrong(node.where, "must be the path of one recipe")
    if length == LONGEST:
        raise _wrong(node.where, f"more than {LONGEST} recipes extend one another")
    return node.where.folder / node.value


def _content(path: Path, limit: int, where: Where, key: str) -> bytes:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _wrong(where, f"{path} is not a regular file", key)
        data = file.read(limit + 1)
    if len(data) > limit:
        size = f"{LARGEST // 1024} KiB"
        raise _wrong(where, f"a recipe and all that it extends must not exceed {size}", key)
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
        raise _wrong(node.where, "a recipe is a mapping, like `name: my-run`", "")
    return node


def _wrong(where: Where, message: str, key: str = "extends") -> RecipeError:
    return RecipeError([Problem(where, key, message)])
