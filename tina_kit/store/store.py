"""The store: `<root>/<stage>/<key>/` holds what a stage wrote and `entry.json` with its hashes."""

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
_WORK, _BEGUN = ".partial", "begun_by.json"


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
        self._told = False  # that nothing is locked

    @classmethod
    def default(cls) -> Store:
        """The store in `cache_folder`."""
        return cls(cache_folder())

    @classmethod
    def of_run(cls, recorded: str) -> Store:
        """The folder that TINA_KIT_STORE names, or else the one that a run has recorded."""
        return cls(Path(recorded)) if environment_path(STORE) is None else cls.default()

    def folder(self, stage: str, key: str) -> Path:
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        with explaining(self.root, STORE_REMEDY), suppress(FileNotFoundError, NotADirectoryError):
            os.stat(self.folder(stage, key) / ENTRY)
            return True
        return False

    def made_by(self, stage: str, key: str) -> dict[str, Any]:
        """Versions and hardware that a finished result was computed with; it is not verified."""
        try:
            return dict(read_json(self.folder(stage, key) / ENTRY)["made_by"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def entries(self, stage: str) -> Iterator[dict[str, Any]]:
        """What is recorded of each finished result of a stage, in no order; it is not verified."""
        for path in (self.root / stage).glob(f"*/{ENTRY}"):
            with suppress(OSError, ValueError, TypeError):
                yield dict(read_json(path))

    def open(self, stage: str, key: str) -> Entry:
        """Open a finished result. Raises TinaKitError when it was never computed, or a file of it
        is missing or altered."""
        entry = self._verified.get((stage, key))
        if entry is None:
            entry = Entry(self.folder(stage, key))
            if not entry.folder.is_dir():
                raise TinaKitError(
                    f"{entry.folder}: this result is not in the store: the store was cleared or "
                    "moved (TINA_KIT_STORE says where it is), or the data or a plugin has changed "
                    "since. Run the recipe again"
                )
            with explaining(self.root, STORE_REMEDY):
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
        tell: Callable[[str], None] = lambda line: None,
        made_by: Mapping[str, Any] = MappingProxyType({}),
        resumes: Callable[[Mapping[str, Any]], None] = lambda begun_by: None,
        cost: Mapping[str, Any] = MappingProxyType({}),
    ) -> float | None:
        """Compute a result unless it is there. Returns the seconds it took, None when cached.

        made_by: versions and hardware, kept beside the result and no part of its key.
        resumes: called with what is known of the run whose checkpoints are gone on with.
        cost: what the seconds depend on, kept beside the result unless an earlier run began it.
        Another process that computes the same result is waited for (`tell` is called once).
        """
        work = self.root / _WORK / stage / key
        if self.has(stage, key):
            self._clean(work)
            return None
        with explaining(self.root, STORE_REMEDY), self._alone(work, tell) as alone:
            if self.has(stage, key):
                _clear(work, alone)
                return None
            start = time.monotonic()
            for other in work.glob(".*") if alone else ():  # of runs that were killed
                remove(other)
            out = draft_of(work / "out")
            shutil.rmtree(out, ignore_errors=True)  # of an earlier process of this number
            out.mkdir(parents=True)
            try:
                begun_by = _begun_by(work, made_by)
                if begun_by is not None:
                    resumes(begun_by)
                compute(Draft(out, work))
                seconds = time.monotonic() - start
                facts: dict[str, Any] = {"settings": dict(settings), "made_by": dict(made_by)}
                if begun_by not in (None, made_by):
                    facts["begun_by"] = begun_by
                if begun_by is None:
                    facts["cost"] = dict(cost)
                _seal(out, stage, key, seconds, facts)
                self._publish(out, stage, key)
            finally:
                shutil.rmtree(out, ignore_errors=True)
                if self.has(stage, key) or not _checkpoints(work):
                    _clear(work, alone)
            return seconds

    @contextmanager
    def _alone(self, work: Path, tell: Callable[[str], None] | None) -> Iterator[bool]:
        """Whether no other run can be at work; without `tell` Busy is raised where one is."""
        try:
            work.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explained(error, self.root, STORE_REMEDY) from error
        waiting = tell and partial(tell, "another run computes it, waiting")
        try:
            with locked(_lock_of(work), waiting) as lacking:
                if lacking and tell and not self._told:
                    self._told = True
                    tell(
                        f"goes without a lock: the store {self.root} has no file locks "
                        f"({lacking}). Runs that share it at the same time repeat each other's work"
                    )
                yield not lacking
        finally:
            with suppress(OSError):  # as far as they are empty
                work.parent.rmdir()
                work.parent.parent.rmdir()

    def clean(self) -> None:
        """Remove what killed runs have left and no run can continue from."""
        for left in (self.root / _WORK).glob("*/*"):
            work = left.with_suffix("")  # a lock may be all that is left
            with suppress(TinaKitError):
                if self.has(work.parent.name, work.name) or not _checkpoints(work):
                    self._clean(work)

    def _clean(self, work: Path) -> None:
        """Remove a work folder that nobody needs: as a rule, of a run that was killed between
        publishing a result and cleaning up."""
        with suppress(OSError, Busy, TinaKitError):  # as far as this user may
            if work.exists() or _lock_of(work).exists():
                with self._alone(work, None) as alone:
                    _clear(work, alone)

    def _publish(self, out: Path, stage: str, key: str) -> None:
        place = self.folder(stage, key)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not self.has(stage, key):  # someone deleted parts of it
            shutil.rmtree(place)
        try:
            os.replace(out, place)
        except OSError:
            if not self.has(stage, key):  # else another run was faster, where nothing is locked
                raise
        flush(place.parent)


def _lock_of(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def _checkpoints(work: Path) -> list[Path]:
    return list(work.glob("[!.]*.safetensors"))


def _begun_by(work: Path, made_by: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the run that left checkpoints here, None where there are none; then it is this one."""
    if _checkpoints(work):
        with suppress(OSError, ValueError):
            return dict(read_json(work / _BEGUN))
    write_json(work / _BEGUN, dict(made_by))
    return None


def _clear(work: Path, alone: bool) -> None:
    """Remove a work folder, unless another run may be at work in it."""
    remove_left_over(work)
    if alone or not any(work.glob(".*")):
        shutil.rmtree(work, ignore_errors=True)


def _seal(folder: Path, stage: str, key: str, seconds: float, facts: Mapping[str, Any]) -> None:
    if told := _not_finite(folder):
        raise NotFinite(
            f"stage {stage} ({key}): {told}; nothing was stored. Where this was trained, lower its "
            "learning_rate or set precision: fp32; where it comes from files (checkpoint, "
            "inherit_file, a table of embeddings), check what they hold"
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
