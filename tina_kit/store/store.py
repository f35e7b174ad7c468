"""The store: `<root>/<stage>/<key>/` holds what a stage wrote and `entry.json` with its hashes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tina_kit.api import TinaKitError, cache_folder, save_tensors
from tina_kit.store.checkpoint import Checkpoint
from tina_kit.store.files import (
    FULL,
    STORE_REMEDY,
    explaining_full_disk,
    flush,
    read_json,
    sha256,
    share,
    write_json,
)
from tina_kit.store.tensors import SUFFIX, NotFinite, file_not_finite

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "entry.json"
_WORK = ".partial"


@dataclass(frozen=True)
class Draft:
    """What a stage writes to. `folder` becomes the entry; `work` keeps checkpoints until then."""

    folder: Path
    work: Path

    def checkpoint(self, name: str) -> Checkpoint:
        return Checkpoint(self.work / f"{name}.safetensors")

    def save_tensors(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        save_tensors(self.folder / name, tensors)

    def save_json(self, name: str, value: Any) -> None:
        write_json(self.folder / name, value)


@dataclass(frozen=True)
class Entry:
    """A finished result, verified when it was opened."""

    folder: Path

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Memory-mapped: only what is used is read."""
        from safetensors.torch import load_file

        return load_file(self.folder / name)

    def json(self, name: str) -> Any:
        return read_json(self.folder / name)


class Store:
    """Computes each result once, however many runs want it and however often they are killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[tuple[str, str], Entry] = {}

    @classmethod
    def default(cls) -> Store:
        """The store in `cache_folder`."""
        return cls(cache_folder())

    def folder(self, stage: str, key: str) -> Path:
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        return (self.folder(stage, key) / ENTRY).is_file()

    def made_by(self, stage: str, key: str) -> dict[str, Any]:
        """Versions and hardware that a finished result was computed with; it is not verified."""
        try:
            return dict(read_json(self.folder(stage, key) / ENTRY)["made_by"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def open(self, stage: str, key: str) -> Entry:
        """Open a finished result. Raises TinaKitError when it was never computed, or a file of it
        is missing or altered."""
        entry = self._verified.get((stage, key))
        if entry is None:
            entry = Entry(self.folder(stage, key))
            if not entry.folder.is_dir():
                raise TinaKitError(
                    f"{entry.folder}: this result is not in the store; the store was cleared, or "
                    "the data or a plugin has changed since. Run the recipe again"
                )
            _verify(entry.folder)
            self._verified[stage, key] = entry
        return entry

    def shape(self, stage: str, key: str, file: str, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor of a finished result, without verifying or reading the rest."""
        from safetensors import safe_open

        with safe_open(self.folder(stage, key) / file, framework="pt") as opened:
            return tuple(opened.get_slice(tensor).get_shape())

    def ensure(
        self,
        stage: str,
        key: str,
        compute: Callable[[Draft], None],
        settings: Mapping[str, Any],
        waiting: Callable[[], None] = lambda: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
    ) -> float | None:
        """Compute a result unless it is there. Returns the seconds it took, None when cached.

        made_by: versions and hardware, kept beside the result and no part of its key.
        Another process that computes the same result is waited for (`waiting` is called once).
        """
        if self.has(stage, key):
            return None
        work = self.root / _WORK / stage / key
        with explaining_full_disk(self.root, STORE_REMEDY):
            self._make_places(work.parent)
            with _locked(work.with_name(f"{key}.lock"), waiting):
                if self.has(stage, key):
                    return None
                start = time.monotonic()
                work.mkdir(exist_ok=True)
                out = work / "out"
                shutil.rmtree(out, ignore_errors=True)  # half-written by a run that was killed
                out.mkdir()
                try:
                    compute(Draft(out, work))
                    seconds = time.monotonic() - start
                    facts = {"settings": dict(settings), "made_by": dict(made_by)}
                    _seal(out, stage, key, seconds, facts)
                    self._publish(out, self.folder(stage, key))
                finally:
                    shutil.rmtree(out, ignore_errors=True)
                    with suppress(OSError):  # it stays where it holds checkpoints
                        work.rmdir()
                shutil.rmtree(work, ignore_errors=True)
                return seconds

    def _make_places(self, work: Path) -> None:
        reason = "it may not be written to"
        try:
            work.mkdir(parents=True, exist_ok=True)
            if os.access(work, os.W_OK | os.X_OK):
                return
        except OSError as error:
            if error.errno in FULL:
                raise
            reason = error.strerror or reason
        raise TinaKitError(
            f"{self.root}: the store cannot be kept here ({reason}). Set TINA_KIT_STORE to a "
            "folder you can write to"
        )

    def _publish(self, out: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():  # a folder without entry.json: someone deleted parts of it
            shutil.rmtree(place)
        os.replace(out, place)
        flush(place.parent)


class _locked:
    """A lock that says so once when it has to wait. The system frees it when its holder dies."""

    def __init__(self, path: Path, waiting: Callable[[], None]) -> None:
        self._lock = FileLock(path)
        self._waiting = waiting

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._waiting()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _seal(folder: Path, stage: str, key: str, seconds: float, facts: Mapping[str, Any]) -> None:
    if told := _not_finite(folder):
        raise NotFinite(
            f"stage {stage} ({key}): {told}; nothing was stored. Where this was trained, lower its "
            "learning_rate or set precision: fp32; where it comes from files (checkpoint, "
            "inherit_file, a table of embeddings), check what they hold"
        )
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        share(path)
        flush(path)
        name = path.relative_to(folder).as_posix()
        files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    entry = {
        "stage": stage,
        "key": key,
        **facts,
        "seconds": round(seconds, 3),
        "finite": True,
        "files": files,
    }
    write_json(folder / ENTRY, entry)


def _verify(folder: Path) -> None:
    """Raise TinaKitError unless every file is what it was when the entry was written, and all
    weights are finite, which earlier versions did not ask for."""
    try:
        entry = read_json(folder / ENTRY)
        for name, expected in entry["files"].items():
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                raise _damaged(folder, f"{name} is missing")
            if size != expected["bytes"]:
                raise _damaged(folder, f"{name} has {size} bytes instead of {expected['bytes']}")
            if sha256(path) != expected["sha256"]:
                raise _damaged(folder, f"{name} was altered")
    except FileNotFoundError:
        raise _damaged(folder, f"{ENTRY} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder, f"{ENTRY} is not what was written") from None
    if not entry.get("finite") and (told := _not_finite(folder)):
        raise _damaged(folder, told)


def _not_finite(folder: Path) -> str:
    """The first tensor in a folder that holds NaN or infinity, and what it holds; "" for none."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if told := file_not_finite(path):
            return f"{path.relative_to(folder).as_posix()}: {told}"
    return ""


def _damaged(folder: Path, what: str) -> TinaKitError:
    return TinaKitError(
        f"{folder}: {what}. Remove the entry and run again, it will be computed anew:\n"
        f"  rm -r '{folder}'"
    )
