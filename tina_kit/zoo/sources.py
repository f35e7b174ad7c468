"""Files of p-Models below a folder, and the lists of their classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.api.checkpoints import CHECKPOINT
from tina_kit.store.files import read_json

CLASSES = "classes.json"


class Unfit(Exception):
    """What about one file does not fit."""


@dataclass
class Sources:
    """What lies below a folder.

    p_models: path below `root`, without its suffix, → the files of that name (one, unless it was
        saved in several formats); rest: the paths of all else, a folder's with a slash at its end.
    """

    root: Path
    p_models: dict[str, list[Path]]
    rest: list[str]
    _used: set[str] = field(default_factory=set)
    _tables: dict[Path, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def below(cls, root: Path) -> Sources:
        """Links to folders are not followed, and hidden folders not looked into. Raises UserError
        for a folder that cannot be read."""
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
        """The class names of a p-Model. Raises Unfit where there are none, and UserError for a
        table of them that cannot be read."""
        try:
            where, names = self._listed(name)
        except (OSError, ValueError) as error:
            raise Unfit(f"its class list cannot be read: {error}") from None
        if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
            raise Unfit(f"its classes in {where} must be a list of names")
        if len(names) < 2 or len(set(names)) < len(names):
            raise Unfit(f"its classes in {where} must be at least two, each named once")
        return tuple(names)

    def _listed(self, name: str) -> tuple[str, Any]:
        """Where its classes stand, and what stands there."""
        listed, lines = f"{name}.json", f"{name}.txt"
        if (self.root / listed).is_file() and Path(listed).name != CLASSES:
            self._used.add(listed)
            return Path(listed).name, read_json(self.root / listed)
        if (self.root / lines).is_file():
            self._used.add(lines)
            text = (self.root / lines).read_text(encoding="utf-8-sig")
            found = [line.strip() for line in text.splitlines() if line.strip()]
            return Path(lines).name, found
        path = Path(name)
        for folder in path.parents:
            table, key = self._table(self.root / folder), path.relative_to(folder).as_posix()
            if key in table:
                self._used.add(f"{(folder / CLASSES).as_posix()}: {key}")
                return (folder / CLASSES).as_posix(), table[key]
        raise Unfit(f"no class list ({listed}, {lines} or {name} in {CLASSES})")

    def _table(self, folder: Path) -> Mapping[str, Any]:
        """What `classes.json` of a folder says."""
        if folder not in self._tables:
            self._tables[folder] = _table(folder / CLASSES)
        return self._tables[folder]

    def left_out(self) -> Sequence[str]:
        """Files, and entries of tables of classes, that belong to no p-Model."""
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
    try:
        lists = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if not isinstance(lists, dict):
        raise UserError(f"{path}: it must map names of p-Models to lists of their classes")
    return lists
