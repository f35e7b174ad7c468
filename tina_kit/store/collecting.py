"""Removes from a store what nobody names.

A result is first moved away in one step, and only then deleted. So it is either whole at its place
or not there, and whoever is killed in between leaves a folder that the next one deletes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tina_kit.api import UserError
from tina_kit.store.disk import explaining
from tina_kit.store.files import draft_of, found_in, read_json, remove_left_over
from tina_kit.store.listing import Item, Work, items, left_over, size_of, work
from tina_kit.store.local import TRASH, Local
from tina_kit.store.locks import Busy, locked
from tina_kit.store.names import Name, Names, Result
from tina_kit.store.process import has_ended
from tina_kit.store.work import WORK

_AT_ONCE = 1000
"""Results that are moved away while runs that start must wait."""
REMEDY = "run this as the owner of the store"


@dataclass(frozen=True)
class Survey:
    """What lies in a store and who names it.

    older: names of runs that older versions have written, None if the user has not said where they
    lie. Then results are kept that may be theirs.
    """

    root: Path
    names: Sequence[Name]
    older: Sequence[Name] | None
    items: Sequence[Item]
    work: Sequence[Work]
    left_over: Sequence[tuple[Path, int]]

    @classmethod
    def of(cls, root: Path, older: Sequence[Name] | None = None) -> Survey:
        names = Names(root).all()  # first: what is named later is no garbage of this survey
        left = [(path, size_of(path)) for path in left_over(root)]
        return cls(root, names, older, list(items(root)), list(work(root)), left)

    @cached_property
    def gone(self) -> list[Name]:
        """Runs and bundles that were removed."""
        return [name for name in self.names if name.presence == "gone"]

    @cached_property
    def unknown(self) -> list[Name]:
        """Runs and bundles that cannot be seen from here; what they name is kept."""
        return [name for name in self.names if name.presence == "unknown"]

    @cached_property
    def naming(self) -> list[Name]:
        """Whatever keeps results."""
        gone = set(map(id, self.gone))
        return [*(n for n in self.names if id(n) not in gone), *(self.older or ())]

    @cached_property
    def named(self) -> dict[Result, list[Name]]:
        """Who names each result."""
        found: dict[Result, list[Name]] = {}
        for name in self.naming:
            for result in name.results:
                found.setdefault(result, []).append(name)
        return found

    @cached_property
    def unclear(self) -> list[Item]:
        """Results that nobody names but perhaps a run of an older version, which no store
        knows."""
        return [i for i in self._unnamed if self._may_be_older(i)]

    @cached_property
    def unreadable(self) -> list[Item]:
        """Results that this user cannot read; they stay."""
        return [item for item in self.items if item.state == "unreadable"]

    @cached_property
    def garbage(self) -> list[Item]:
        """Results that nobody names, and folders without a whole result."""
        return [i for i in self._unnamed if not self._may_be_older(i)]

    @cached_property
    def unfinished(self) -> list[Work]:
        """Checkpoints that no run will continue from."""
        return [each for each in self.work if each.result not in self.named]

    @property
    def _unnamed(self) -> list[Item]:
        """But for those that cannot be read."""
        readable = [item for item in self.items if item.state != "unreadable"]
        return [i for i in readable if i.state == "incomplete" or i.result not in self.named]

    def _may_be_older(self, item: Item) -> bool:
        return self.older is None and item.state == "whole" and not item.recorded

    @property
    def size(self) -> int:
        """Bytes that go."""
        left = sum(size for _, size in self.left_over)
        return left + total(self.garbage) + total(self.unfinished)


@dataclass(frozen=True)
class Collected:
    """What was removed: results, and bytes with whatever else was. busy: results that another
    process is computing; refused: those that this user may not remove."""

    results: Sequence[Item]
    size: int
    busy: Sequence[Result]
    refused: Sequence[Path]


class Collector:
    """Removes what a survey has found, unless somebody names it meanwhile."""

    def __init__(self, survey: Survey) -> None:
        self.survey, self.store = survey, Local(survey.root)
        self.names = Names(survey.root)
        self._trash = draft_of(survey.root / TRASH[1:])
        self._busy: list[Result] = []
        self._refused: list[Path] = []
        self._emptied: set[Path] = set()  # perhaps

    def collect(self) -> Collected:
        """Raises TinaKitError if the store cannot be written, and UserError on a file system
        without locks while a run may be using it."""
        root, survey = self.survey.root, self.survey
        if not root.is_dir():
            return Collected((), 0, (), ())
        removed: list[Item] = []
        ended: list[Work] = []
        with explaining(root, REMEDY):
            _delete(self._trash)  # of an earlier process with the same ID
            for start in range(0, max(len(survey.garbage), 1), _AT_ONCE):
                with self._named_by_others() as kept:
                    some = survey.garbage[start : start + _AT_ONCE]
                    removed += [item for item in some if self._move_item(item, kept)]
            with self._named_by_others() as kept:
                ended += [each for each in survey.unfinished if self._move_work(each, kept)]
            left = [(path, size) for path, size in survey.left_over if _delete(path)]
            _delete(self._trash)
            self._tidy()
        size = total(removed) + total(ended) + sum(size for _, size in left)
        return Collected(removed, size, self._busy, self._refused)

    @contextmanager
    def _named_by_others(self) -> Iterator[set[Result]]:
        """What is named now, and stays so in the block; names of what is gone are removed."""
        with self.names.held() as lacking:
            names = self.names.all()
            if lacking:
                _check_nobody_runs(names, self.survey.root, lacking)
            gone = [name for name in names if name.presence == "gone"]
            self.names.remove(gone)
            there = [*(name for name in names if name not in gone), *(self.survey.older or ())]
            yield {result for name in there for result in name.results}

    def _move_item(self, item: Item, kept: set[Result]) -> bool:
        if item.state != "incomplete" and item.result in kept:
            return False
        try:
            with self.store.alone(*item.result):
                if item.state == "incomplete" and self.store.here(*item.result):
                    return False
                return self._move(item.folder, f"{item.stage}.{item.key}")
        except Busy:
            self._busy.append(item.result)
            return False

    def _move_work(self, each: Work, kept: set[Result]) -> bool:
        if each.result in kept:
            return False
        try:
            with self.store.alone(*each.result) as alone:
                remove_left_over(each.folder)
                if not alone and found_in(each.folder, ".*"):
                    raise Busy
                return self._move(each.folder, f"work.{each.stage}.{each.key}")
        except Busy:
            self._busy.append(each.result)
            return False

    def _move(self, folder: Path, name: str) -> bool:
        """Move a folder away in one step; whether it went."""
        try:
            self._trash.mkdir(exist_ok=True)
            os.rename(folder, self._trash / name)
        except FileNotFoundError:  # somebody else was faster
            return False
        except PermissionError:  # another user's
            self._refused.append(folder)
            return False
        self._emptied.add(folder.parent)
        return True

    def _tidy(self) -> None:
        """Remove locks that nobody holds, and what killed runs were writing."""
        self.store.clean()
        for lock in found_in(self.survey.root / WORK, "*/*.lock"):
            with suppress(OSError, Busy), locked(lock):
                remove_left_over(lock.with_suffix(""))
        for folder in self._emptied:
            with suppress(OSError):  # unless others are left
                folder.rmdir()
        self.store.tidy()


def total(found: Iterable[Item | Work]) -> int:
    """Bytes."""
    return sum(each.size for each in found)


def _delete(path: Path) -> bool:
    """Whether nothing is left of it."""
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _check_nobody_runs(names: Iterable[Name], root: Path, lacking: str) -> None:
    for name in names:
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = read_json(Path(name.what) / "run.json") if name.kind == "run" else {}
            if record.get("status") == "running" and not has_ended(record):
                raise UserError(
                    f"{root}: this file system has no locks ({lacking}), and the run {name.what} "
                    "may be using the store. Wait for it to end"
                )
