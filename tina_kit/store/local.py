"""A folder of finished results, `<root>/<stage>/<key>/`, and of the work on others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.store.disk import STORE_REMEDY, explained, explaining
from tina_kit.store.draft import Draft
from tina_kit.store.files import draft_of, flush, found_in, read_json, remove, remove_left_over
from tina_kit.store.locks import Busy, locked
from tina_kit.store.sealing import ENTRY
from tina_kit.store.work import WORK, checkpoints, clear, lock_of

_TRIES = 100
TRASH, UNPACKED = ".trash", ".unpacked"
"""In the root: what is being removed and what is being unpacked, followed by the process's mark."""


class Local:
    """What lies in the folder `root`. Results appear in one step, and locks divide the work."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._warned = False  # about missing locks

    def folder(self, stage: str, key: str) -> Path:
        return self.root / stage / key

    def work(self, stage: str, key: str) -> Path:
        return self.root / WORK / stage / key

    def here(self, stage: str, key: str) -> bool:
        """Whether a result is finished and in the folder."""
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

    @contextmanager
    def alone(self, stage: str, key: str) -> Iterator[bool]:
        """Hold the lock of a result, as a run that computes it does; yield whether there are locks.
        Raises Busy if another process holds it. Leaves empty folders, which `tidy` removes."""
        with locked(lock_of(self.work(stage, key))) as lacking:
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
            with locked(lock_of(work), waiting) as lacking:
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

    @contextmanager
    def _drafting(self, work: Path, alone: bool) -> Iterator[Draft]:
        """Where a result is made; checkpoints stay if it is not. The lock must be held."""
        for other in found_in(work, ".*") if alone else ():  # left by killed runs
            remove(other)
        out = draft_of(work / "out")
        shutil.rmtree(out, ignore_errors=True)  # left by an earlier process with the same ID
        out.mkdir(parents=True)
        try:
            yield Draft(out, work)
        finally:
            shutil.rmtree(out, ignore_errors=True)
            self._settle(work, alone)

    def _settle(self, work: Path, alone: bool) -> None:
        """Remove a work folder whose checkpoints nobody needs. The lock must be held."""
        if self.here(work.parent.name, work.name) or not checkpoints(work):
            clear(work, alone)

    def clean(self) -> None:
        """Remove what killed processes have left behind, except checkpoints that are still
        needed."""
        for name in (TRASH, UNPACKED):
            remove_left_over(self.root, name[1:])
        for left in found_in(self.root / WORK, "*/*"):
            work = left.with_suffix("")  # only its lock may be left
            with suppress(TinaKitError):
                if self.here(work.parent.name, work.name) or not checkpoints(work):
                    self._clean(work)

    def _clean(self, work: Path) -> None:
        """Remove a work folder that is no longer needed, usually left by a run that was killed
        between publishing a result and cleaning up."""
        with suppress(OSError, Busy, TinaKitError):  # another user's, or in use
            if work.exists() or lock_of(work).exists():
                with self._alone(work, None) as alone:
                    clear(work, alone)

    def publish(self, out: Path, stage: str, key: str) -> None:
        """Make a folder that is whole the result of a stage, unless there is one. The lock of the
        result must be held."""
        place = self.folder(stage, key)
        for remaining in reversed(range(_TRIES)):
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.exists() and not self.here(stage, key):  # one that was partly deleted
                    shutil.rmtree(place)
                os.replace(out, place)
                break
            except OSError as error:
                if self.here(stage, key):  # without locks, another run was faster
                    break
                # Another process may just have removed the empty folder of the stage.
                if not isinstance(error, FileNotFoundError) or not remaining:
                    raise
        flush(place.parent)
