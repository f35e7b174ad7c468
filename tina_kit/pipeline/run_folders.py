"""Run folders on disk: where they are, what they say, and how they are removed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from tina_kit.api import UserError, read_text
from tina_kit.pipeline.keeping import forget
from tina_kit.pipeline.logs import EVENTS, METRICS
from tina_kit.pipeline.notes import FILE as NOTES
from tina_kit.pipeline.notes import Notes, read_notes
from tina_kit.pipeline.record import status_of
from tina_kit.pipeline.run_files import Record, Results, read_content
from tina_kit.report.results import GENERIC, ORACLE, PLUS, SELECTION
from tina_kit.store.files import remove

RECORD, RESOLVED = "run.json", "resolved.yaml"
RESULTS, EVALUATIONS = "results.json", "evaluations.json"
FOLDERS = ("plots", "examples", "trackers")
FILES = (
    *("recipe.yaml", RESOLVED, RECORD, RESULTS, EVALUATIONS, "report.md", "report.html"),
    *(EVENTS, METRICS, NOTES),
)
"""What runs, and what is said of them, write to a run folder."""
STATUS = ("running", "done", "failed", "interrupted", "killed")
_REFERENCES = (GENERIC, SELECTION, PLUS, ORACLE)  # which a key figure is not of


@dataclass(frozen=True)
class RunFolder:
    """record: the content of its `run.json`."""

    folder: Path
    record: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path) -> RunFolder:
        """A run that may have ended in any way. Raises UserError if the folder is not one's."""
        try:
            record = read_content(folder / RECORD, Record)
        except FileNotFoundError:
            raise UserError(
                f"{folder}: not a run folder: it has no {RECORD}. `tina-kit runs list` lists the "
                "runs below a folder"
            ) from None
        except OSError as error:
            raise UserError(f"{folder / RECORD}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise UserError(f"{folder / RECORD}: cannot be read: {error}") from None
        return cls(folder, record)

    @property
    def status(self) -> str:
        """One of STATUS."""
        return status_of(self.record)

    @cached_property
    def notes(self) -> Notes:
        return read_notes(self.folder)

    def facts(self) -> dict[str, Any]:
        """What a list of runs says of it, as JSON values."""
        record, git = self.record, self.record.get("git") or {}
        return {
            "folder": str(self.folder),
            "name": record["name"],
            "key": record.get("key"),
            "status": self.status,
            "started": record["started"],
            "ended": record.get("ended"),
            "seeds": list(record["seeds"]),
            "commit": git.get("commit"),
            "dirty": git.get("dirty"),
            "tags": list(self.notes.tags),
            "note": self.notes.note,
            "figure": self._figure(),
        }

    def details(self) -> dict[str, Any]:
        """The facts, and what is worth knowing of this one run."""
        try:
            results = read_content(self.folder / RESULTS, Results)
        except (OSError, ValueError):
            results = None
        keys = ("error", "signal", "command", "device", "precision", "tina_kit", "versions")
        told = {key: self.record.get(key) for key in (*keys, "hardware", "plugins", "store")}
        return {**self.facts(), **told, "stages": self.record["stages"], "results": results}

    def _figure(self) -> dict[str, Any] | None:
        """The row of the generator with the highest p-Acc, on OOD tasks if there are any. Those
        that others are compared with are left out."""
        try:
            rows = read_content(self.folder / RESULTS, Results)["generators"]
            best = [row for row in rows if "gap_closed" in row] or [
                row for row in rows if row["generator"] not in _REFERENCES and "vs_selection" in row
            ]
            for split in ("ood", "id"):
                if some := [row for row in best if row["split"] == split]:
                    row = max(some, key=lambda row: float(row["p_acc"]))
                    keys = ("generator", "split", "p_acc", "ci95", "vs_selection")
                    return {key: row.get(key) for key in keys}
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None


@dataclass(frozen=True)
class Found:
    """runs: the newest first; unreadable: why other folders with a `run.json` cannot be read, or
    folders not be searched."""

    runs: Sequence[RunFolder]
    unreadable: Sequence[str]


def find_runs(root: Path, hidden: bool = False) -> Found:
    """All run folders in `root` and below. Raises UserError if there is no such folder.

    hidden: search hidden folders too, which hold what runs that just start are writing.
    """
    if not root.is_dir():
        raise UserError(f"{root}: there is no such folder; `--output` of `tina-kit run` names it")
    runs: list[RunFolder] = []
    unreadable: list[str] = []
    for folder in _folders(root, hidden, unreadable):
        try:
            runs.append(RunFolder.open(folder))
        except UserError as error:
            unreadable.append(str(error))
    runs.sort(key=lambda run: (run.record["started"], run.folder.name), reverse=True)
    return Found(runs, unreadable)


def readable_runs(root: Path) -> Sequence[RunFolder]:
    """All run folders, for who must not miss one. Raises UserError if there are none, or if some
    cannot be read or searched."""
    found = find_runs(root, hidden=True)
    if found.unreadable:
        raise UserError(found.unreadable[0])
    if not found.runs:
        raise UserError(f"{root}: there is no run folder in it")
    return found.runs


def _folders(root: Path, hidden: bool, unreadable: list[str]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename}: cannot be searched: {error.strerror}")

    for place, folders, files in os.walk(root, onerror=note):
        if RECORD in files:
            folders.clear()
            yield Path(place)
        folders[:] = sorted(name for name in folders if hidden or not name.startswith("."))


def chosen(
    runs: Sequence[RunFolder],
    name: str | None = None,
    status: str | None = None,
    tag: str | None = None,
    since: str | None = None,
) -> list[RunFolder]:
    """Those that fit all that is given. name: of the recipe, with * for any letters; status: one
    of STATUS; since: a date, like 2026-11-01. Raises UserError for what is neither."""
    if status is not None and status not in STATUS:
        raise UserError(f"status {status!r}: it must be one of {', '.join(STATUS)}")
    if since is not None:
        try:
            since = date.fromisoformat(since).isoformat()
        except ValueError:
            raise UserError(f"since {since!r}: write a date like 2026-11-01") from None
    return [
        run
        for run in runs
        if (name is None or fnmatchcase(run.record["name"], name))
        and (since is None or run.record["started"] >= since)
        and (tag is None or tag in run.notes.tags)
        and (status is None or run.status == status)
    ]


def check_removable(run: RunFolder) -> None:
    """Raise UserError for a run that may still be running, and for a link to a folder."""
    folder = run.folder
    if folder.is_symlink():
        raise UserError(f"{folder}: this is a link; give the run folder itself")
    if run.status == "running":
        record = run.record
        raise UserError(
            f"{folder}: this run is not over (process {record.get('pid')} on "
            f"{record.get('host')}); stop it first"
        )


def remove_run(run: RunFolder) -> list[Path]:
    """Remove what a run wrote to its folder, and the folder if nothing else is in it; its results
    stay in the store, but are no longer named by it. Returns what is left in the folder."""
    check_removable(run)
    folder = run.folder
    # The record goes last: a folder that is half removed can still be removed.
    for name in sorted((*FILES, *FOLDERS), key=lambda name: name == RECORD):
        if (path := folder / name).exists() or path.is_symlink():
            remove(path)
    forget(folder, run.record.get("store"))
    left = sorted(folder.iterdir())
    if not left:
        folder.rmdir()
        if not any(folder.parent.iterdir()) and folder.parent.name == run.record["name"]:
            folder.parent.rmdir()
    return left


def recipe_text(folder: Path) -> str:
    """The recipe of a run with every default, as YAML. Raises UserError if it cannot be read."""
    return read_text(folder / RESOLVED)
