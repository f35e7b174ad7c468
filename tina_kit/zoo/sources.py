"""Finds p-Model files in a folder, and the lists of their classes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina_kit.api import UserError, name_index, read_text
from tina_kit.api.checkpoints import CHECKPOINT

CLASSES = "classes.json"


class Unfit(Exception):
    """Why a file cannot be used."""


@dataclass
class Sources:
    """The files in a folder and its subfolders.

    p_models: path relative to `root` without suffix → the files of that name (more than one if it
        was saved in several formats); rest: all other paths; those of folders end in a slash.
    """

    root: Path
    p_models: dict[str, list[Path]]
    rest: list[str]
    _used: set[str] = field(default_factory=set)
    _tables: dict[Path, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def below(cls, root: Path) -> Sources:
        """Search a folder, without following links to folders or entering hidden ones. Raises
        UserError if a folder cannot be read."""
        p_models: dict[str, list[Path]] = {}
        rest: list[str] = []

        def failed(error: OSError) -> None:
            raise UserError(f"{error.filename}: cannot be read: {error.strerror}")

        for folder, folders, files in os.walk(root, onerror=failed):
            place = Path(folder)
            odd = [name for name in folders if name.startswith(".") or (place / name).is_symlink()]
            folders[:] = sorted(set(folders) - set(odd))
            rest += [f"{(place / name).relative_to(root).as_posix()}/" for name in odd]
            for name in files:
                below = (place / name).relative_to(root).as_posix()
                if CHECKPOINT.search(name) and not name.startswith("."):
                    p_models.setdefault(CHECKPOINT.sub("", below), []).append(place / name)
                else:
                    rest.append(below)
        for paths in p_models.values():
            paths.sort()
        return cls(root, dict(sorted(p_models.items())), sorted(rest))

    def classes(self, name: str) -> tuple[str, ...]:
        """The class names of a p-Model. Raises Unfit if they are missing or invalid, and UserError
        if a `classes.json` cannot be read."""
        where, names, places = self._listed(name)
        if not isinstance(names, list) or len(names) < 2:
            raise Unfit(f"its classes in {where} must be a list of at least two names")
        try:
            name_index(names, places)
        except UserError as error:
            raise Unfit(f"its classes in {where}: {error}") from None
        return tuple(names)

    def _listed(self, name: str) -> tuple[str, Any, list[str] | None]:
        """The file that lists its classes, its content, and the line of each class."""
        listed, lines = f"{name}.json", f"{name}.txt"
        if (self.root / listed).is_file() and Path(listed).name != CLASSES:
            self._used.add(listed)
            return Path(listed).name, _readable(_json, self.root / listed), None
        if (self.root / lines).is_file():
            self._used.add(lines)
            text = _readable(read_text, self.root / lines)
            numbered = list(enumerate(map(str.strip, text.split("\n")), 1))
            found = [line for _, line in numbered if line]
            return Path(lines).name, found, [f"line {number}" for number, line in numbered if line]
        path = Path(name)
        for folder in path.parents:
            table, key = self._table(self.root / folder), path.relative_to(folder).as_posix()
            if key in table:
                self._used.add(f"{(folder / CLASSES).as_posix()}: {key}")
                return (folder / CLASSES).as_posix(), table[key], None
        raise Unfit(f"no class list ({listed}, {lines} or {name} in {CLASSES})")

    def _table(self, folder: Path) -> Mapping[str, Any]:
        """The content of a folder's `classes.json`."""
        if folder not in self._tables:
            self._tables[folder] = _table(folder / CLASSES)
        return self._tables[folder]

    def left_out(self) -> Sequence[str]:
        """Files, and entries of class lists, that belong to no p-Model."""
        tables = {
            (folder.relative_to(self.root) / CLASSES).as_posix(): table
            for folder, table in self._tables.items()
        }
        entries = [f"{path}: {key}" for path, table in tables.items() for key in table]
        files = [path for path in self.rest if not tables.get(path)]
        return [each for each in [*files, *entries] if each not in self._used]


def _table(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    lists = _json(path)
    if not isinstance(lists, dict):
        raise UserError(f"{path}: must map p-Model names to lists of their classes")
    return lists


def _json(path: Path) -> Any:
    """Read a JSON file. Raises UserError for duplicate keys, of which `json` would use the last."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"{key} is listed twice")
            found[key] = value
        return found

    try:
        return json.loads(read_text(path), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _readable(read: Callable[[Path], Any], path: Path) -> Any:
    """Read a p-Model's own class list. Raises Unfit if that fails."""
    try:
        return read(path)
    except UserError as error:
        raise Unfit(f"its class list cannot be read: {error}") from None
