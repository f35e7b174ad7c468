"""The store: `<root>/<stage>/<key>/` holds a stage's output and `entry.json` with its hashes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tina_kit.api import TinaKitError, cache_folder, environment_path, save_tensors
from tina_kit.api.paths import STORE
from tina_kit.store.checkpoint import Checkpoint
from tina_kit.store.disk import STORE_REMEDY, explained, explaining
from tina_kit.store.files import (
    draft_of,
    flush,
    found_in,
    mode_of_new_files,
    read_json,
    remove,
    remove_left_over,
    sha256,
    share,
    write_json,
)
from tina_kit.store.locks import Busy, locked
from tina_kit.store.tensors import SUFFIX, NotFinite, file_not_finite

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "entry.json"
WORK, _BEGUN = ".partial", "begun_by.json"
_TRIES = 100
TRASH, UNPACKED = ".trash", ".unpacked"
"""In the root: what is being removed and what is being unpacked, followed by the process's mark."""


@dataclass(frozen=True)
class Draft:
    """Where a stage writes: `folder` becomes the entry; `work` holds checkpoints until then."""

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
    """A finished result; it was verified when it was opened."""

    folder: Path

    def tensors(self, name: str) -> dict[str, Tensor]:
        """The tensors in a file, memory-mapped, so that only those that are used are read."""
        from safetensors.torch import load_file

        return load_file(self.folder / name)

    def json(self, name: str) -> Any:
        return read_json(self.folder / name)


class Store:
    """Computes each result once, even if several runs need it or runs are killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[tuple[str, str], Entry] = {}
        self._warned = False  # about missing locks

    @classmethod
    def default(cls) -> Store:
        """The store in `cache_folder`."""
        return cls(cache_folder())

    @classmethod
    def of_run(cls, recorded: str) -> Store:
        """The store in TINA_KIT_STORE if that is set, or else the one that a run recorded."""
        return cls(Path(recorded)) if environment_path(STORE) is None else cls.default()

    def folder(self, stage: str, key: str) -> Path:
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        with explaining(self.root, STORE_REMEDY), suppress(FileNotFoundError, NotADirectoryError):
            os.stat(self.folder(stage, key) / ENTRY)
            return True
        return False

    def made_by(self, stage: str, key: str) -> dict[str, Any]:
        """The versions and hardware that produced a result, which is not verified."""
        try:
            return dict(read_json(self.folder(stage, key) / ENTRY)["made_by"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def seconds(self, stage: str, key: str) -> float | None:
        """How long a result took when it was computed, None if that is not recorded."""
        try:
            return float(read_json(self.folder(stage, key) / ENTRY)["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def entries(self, stage: str) -> Iterator[dict[str, Any]]:
        """What is recorded of each finished result of a stage, in no order; it is not verified."""
        for path in found_in(self.root / stage, f"*/{ENTRY}"):
            with suppress(OSError, ValueError, TypeError):
                yield dict(read_json(path))

    def open(self, stage: str, key: str) -> Entry:
        """Open a finished result. Raises TinaKitError if it does not exist, or if one of its files
        is missing or was altered."""
        entry = self._verified.get((stage, key))
        if entry is None:
            entry = Entry(self.folder(stage, key))
            if not entry.folder.is_dir():
                raise TinaKitError(
                    f"{entry.folder}: this result is not in the store: the store was cleared or "
                    "moved (set TINA_KIT_STORE to its new location), or the data or a plugin has "
                    "changed. Run the recipe again"
                )
            with explaining(self.root, STORE_REMEDY):
                verify(entry.folder)
            self._verified[stage, key] = entry
        return entry

    def shape(self, stage: str, key: str, file: str, tensor: str) -> tuple[int, ...]:
        """The shape of a tensor in a finished result, without verifying or reading the rest."""
        from safetensors import safe_open

        with safe_open(self.folder(stage, key) / file, framework="pt") as opened:
            return tuple(opened.get_slice(tensor).get_shape())

    def ensure(
        self,
        stage: str,
        key: str,
        compute: Callable[[Draft], None],
        settings: Mapping[str, Any],
        tell: Callable[[str], None] = lambda line: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
        resumes: Callable[[Mapping[str, Any]], None] = lambda begun_by: None,
        cost: Mapping[str, Any] = MappingProxyType({}),
        lineage: Mapping[str, Any] = MappingProxyType({}),
    ) -> float | None:
        """Compute a result unless it is stored. Returns the seconds it took, None if cached.

        If another process is computing it, wait for that one (after calling `tell`).
        made_by: versions and hardware, stored with the result but not part of its key.
        resumes: called with the `made_by` of the run whose checkpoints are continued.
        cost: what the seconds depend on, stored with the result unless an earlier run began it.
        lineage: what else the key was made of, and for whom; see `Stage.lineage`.
        """
        work = self.root / WORK / stage / key
        if self.has(stage, key):
            self._clean(work)
            return None
        with explaining(self.root, STORE_REMEDY), self._alone(work, tell) as alone:
            if self.has(stage, key):
                _clear(work, alone)
                return None
            start = time.monotonic()
            for other in found_in(work, ".*") if alone else ():  # left by killed runs
                remove(other)
            out = draft_of(work / "out")
            shutil.rmtree(out, ignore_errors=True)  # left by an earlier process with the same ID
            out.mkdir(parents=True)
            try:
                begun_by = _begun_by(work, made_by)
                if begun_by is not None:
                    resumes(begun_by)
                compute(Draft(out, work))
                seconds = time.monotonic() - start
                facts: dict[str, Any] = {**lineage, "settings": dict(settings)}
                facts["made_by"] = dict(made_by)
                if begun_by not in (None, made_by):
                    facts["begun_by"] = begun_by
                if begun_by is None:
                    facts["cost"] = dict(cost)
                _seal(out, stage, key, seconds, facts)
                self.publish(out, stage, key)
            finally:
                shutil.rmtree(out, ignore_errors=True)
                if self.has(stage, key) or not _checkpoints(work):
                    _clear(work, alone)
            return seconds

    @contextmanager
    def alone(self, stage: str, key: str) -> Iterator[bool]:
        """Hold the lock of a result, as a run that computes it does; yield whether there are locks.
        Raises Busy if another process holds it. Leaves empty folders, which `tidy` removes."""
        with locked(_lock_of(self.root / WORK / stage / key)) as lacking:
            yield not lacking

    def tidy(self) -> None:
        """Remove empty folders in which nothing is being computed."""
        for folder in (*found_in(self.root / WORK, "*"), self.root / WORK):
            with suppress(OSError):  # unless they are not empty
                folder.rmdir()

    @contextmanager
    def _alone(self, work: Path, tell: Callable[[str], None] | None) -> Iterator[bool]:
        """Hold the lock of a work folder; yield whether this is the only run that uses it. Without
        `tell`, raise Busy instead of waiting."""
        try:
            with suppress(FileNotFoundError):  # another process has just removed the empty folder
                work.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explained(error, self.root, STORE_REMEDY) from error
        waiting = tell and partial(tell, "another run is computing it, waiting")
        try:
            with locked(_lock_of(work), waiting) as lacking:
                if lacking and tell and not self._warned:
                    self._warned = True
                    tell(
                        f"no file locks in the store {self.root} ({lacking}): runs that use it at "
                        "the same time may repeat each other's work"
                    )
                yield not lacking
        finally:
            with suppress(OSError):  # unless they are not empty
                work.parent.rmdir()
                work.parent.parent.rmdir()

    def clean(self) -> None:
        """Remove what killed processes have left behind, except checkpoints that are still
        needed."""
        for name in (TRASH, UNPACKED):
            remove_left_over(self.root, name[1:])
        for left in found_in(self.root / WORK, "*/*"):
            work = left.with_suffix("")  # only its lock may be left
            with suppress(TinaKitError):
                if self.has(work.parent.name, work.name) or not _checkpoints(work):
                    self._clean(work)

    def _clean(self, work: Path) -> None:
        """Remove a work folder that is no longer needed, usually left by a run that was killed
        between publishing a result and cleaning up."""
        with suppress(OSError, Busy, TinaKitError):  # another user's, or in use
            if work.exists() or _lock_of(work).exists():
                with self._alone(work, None) as alone:
                    _clear(work, alone)

    def publish(self, out: Path, stage: str, key: str) -> None:
        """Make a folder that is whole the result of a stage, unless there is one. The lock of the
        result must be held."""
        place = self.folder(stage, key)
        for remaining in reversed(range(_TRIES)):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.exists() and not self.has(stage, key):  # one that was partly deleted
                    shutil.rmtree(place)
                os.replace(out, place)
                break
            except OSError as error:
                if self.has(stage, key):  # without locks, another run was faster
                    break
                # Another process may just have removed the empty folder of the stage.
                if not isinstance(error, FileNotFoundError) or not remaining:
                    raise
        flush(place.parent)


def _lock_of(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def _checkpoints(work: Path) -> list[Path]:
    return found_in(work, "*.safetensors")


def _begun_by(work: Path, made_by: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The `made_by` of the run that left checkpoints here; if there are none, record this run's and
    return None."""
    if _checkpoints(work):
        with suppress(OSError, ValueError):
            return dict(read_json(work / _BEGUN))
    write_json(work / _BEGUN, dict(made_by))
    return None


def _clear(work: Path, alone: bool) -> None:
    """Remove a work folder unless another run may be using it."""
    remove_left_over(work)
    if alone or not found_in(work, ".*"):
        shutil.rmtree(work, ignore_errors=True)


def _seal(folder: Path, stage: str, key: str, seconds: float, facts: Mapping[str, Any]) -> None:
    if problem := not_finite_in(folder):
        raise NotFinite(
            f"stage {stage} ({key}): {problem}; nothing was stored. If this was trained, lower its "
            "learning_rate or set precision: fp32; if it comes from files (checkpoint, "
            "inherit_file, a table of embeddings), check their content"
        )
    files, mode = {}, mode_of_new_files(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        share(path, mode)
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


def verify(folder: Path) -> None:
    """Raise TinaKitError if any file has changed since the entry was written, or if weights are not
    finite (entries of earlier versions were not checked for that)."""
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
        raise _damaged(folder, f"{ENTRY} was altered") from None
    if not entry.get("finite") and (problem := not_finite_in(folder)):
        raise _damaged(folder, problem)


def not_finite_in(folder: Path) -> str:
    """What is wrong with the first tensor in a folder that contains NaN or infinity; "" if none
    does."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if problem := file_not_finite(path):
            return f"{path.relative_to(folder).as_posix()}: {problem}"
    return ""


def _damaged(folder: Path, what: str) -> TinaKitError:
    return TinaKitError(
        f"{folder}: {what}. Remove this entry and run again to recompute it:\n  rm -r '{folder}'"
    )
