"""What lies in a store: results, the work of runs, and what is left over.

Reads one small file per result and nothing twice, so that time grows with their number alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tina_kit.api import TinaKitError
from tina_kit.store.files import read_json
from tina_kit.store.keys import KEY_LENGTH
from tina_kit.store.local import TRASH, UNPACKED
from tina_kit.store.names import Result
from tina_kit.store.process import is_left_over
from tina_kit.store.sealing import ENTRY
from tina_kit.store.work import WORK

State = Literal["whole", "damaged", "incomplete", "unreadable"]
_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")


@dataclass(frozen=True)
class Item:
    """A result. name, seed: of the stage it was computed for first ("" and None in older versions,
    which did not record it); size: in bytes; stored: seconds since 1970; seconds: it took.

    state: incomplete if it has no `entry.json`, damaged if that is no longer what was written, and
    unreadable for this user; whether its other files are as they were, only `verified` says.
    recorded: whether it says which results it was made from, as all do that were computed since
    runs are named in the store.
    """

    stage: str
    key: str
    folder: Path
    size: int
    stored: float
    state: State = "whole"
    name: str = ""
    seed: int | None = None
    seconds: float | None = None
    recorded: bool = False

    @property
    def result(self) -> Result:
        return self.stage, self.key


@dataclass(frozen=True)
class Work:
    """Checkpoints of a stage that is being computed, or was when its run ended."""

    stage: str
    key: str
    folder: Path
    size: int

    @property
    def result(self) -> Result:
        return self.stage, self.key


def items(root: Path, stages: Collection[str] = ()) -> Iterator[Item]:
    """The results of some stages, by default of all, in order. Folders that are no results of a
    stage are passed over. Raises TinaKitError if the store cannot be read."""
    for stage in _subfolders(root):
        if not stage.name.startswith(".") and (not stages or stage.name in stages):
            for folder in _subfolders(Path(stage.path)):
                item = _item(stage.name, folder)
                if item is not None:
                    yield item


def work(root: Path) -> Iterator[Work]:
    """What runs have begun, in order."""
    for stage in _subfolders(root / WORK):
        for folder in _subfolders(Path(stage.path)):
            path = Path(folder.path)
            yield Work(stage.name, folder.name, path, size_of(path))


def left_over(root: Path) -> list[Path]:
    """What is to be deleted, and what a killed process was unpacking."""
    unpacked = (p for p in root.glob(f"{UNPACKED}.*") if is_left_over(p.name.rpartition(".")[2]))
    return sorted([*root.glob(f"{TRASH}.*"), *unpacked])


def size_of(path: Path) -> int:
    """Bytes in a file, or in all files below a folder; those that vanish meanwhile count as 0."""
    total = 0
    with suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_size
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((e for e in found if e.is_dir(follow_symlinks=False)), key=_by_name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise TinaKitError(f"{folder}: cannot be read: {error.strerror}") from None


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _item(stage: str, entry: os.DirEntry[str]) -> Item | None:
    folder, key = Path(entry.path), entry.name
    try:
        with (folder / ENTRY).open("rb") as file:
            found = os.fstat(file.fileno())
        facts = read_json(folder / ENTRY)
        if (facts["stage"], facts["key"]) != (stage, key):
            raise ValueError("of another result")
        return Item(
            stage,
            key,
            folder,
            found.st_size + sum(int(each["bytes"]) for each in facts["files"].values()),
            found.st_mtime,
            "whole",
            str(facts.get("name", "")),
            facts.get("seed"),
            _number(facts.get("seconds")),
            "after" in facts,
        )
    except (FileNotFoundError, NotADirectoryError):
        state: State = "incomplete"
    except OSError:
        state = "unreadable"
    except (ValueError, KeyError, TypeError, AttributeError):
        state = "damaged"
    if not _KEY.fullmatch(key):  # something else that lies here
        return None
    with suppress(FileNotFoundError):  # it was removed in the meantime
        return Item(stage, key, folder, size_of(folder), folder.stat().st_mtime, state)
    return None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
