"""Finished runs side by side, and their folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.paths import user_path

if TYPE_CHECKING:
    from tina_kit.pipeline.finished import FinishedRun
    from tina_kit.report.comparison.whole import Comparison


def compare(runs: Sequence[str | Path | FinishedRun]) -> Comparison:
    """Compare finished runs with the first of them: what differs in recipe, versions, hardware and
    data, their tables side by side, and paired differences on the tasks that they share.

    runs: folders, which may name a generator (`"runs/a/20261127-101530-0a1b2c3d:tina"`), or
    finished runs. Raises UserError for what is no finished run, and for a generator that it lacks.
    """
    from tina_kit.library.runs import open_run
    from tina_kit.pipeline.comparing import compared

    names = [str(getattr(run, "folder", run)) for run in runs]
    return compared(names, lambda folder: open_run(folder, "cpu").evaluations)


@dataclass(frozen=True)
class RunList:
    """Runs as plain data, the newest first, and in words why some folders cannot be read."""

    rows: Sequence[dict[str, Any]]
    unreadable: Sequence[str]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, columns: int | None = None) -> list[str]:
        """The runs as a table. columns: to fit it in, None for any number."""
        from tina_kit.report.run_list import run_list
        from tina_kit.report.table import text_lines

        return text_lines(run_list(self.rows), columns)

    def flat(self) -> list[dict[str, Any]]:
        """A row for each run, without values in values."""
        from tina_kit.report.run_list import flat_row

        return [flat_row(row) for row in self.rows]

    def to_frame(self) -> Any:
        """A pandas DataFrame. Raises TinaKitError if pandas is not installed."""
        from tina_kit.report.table import frame

        return frame(self.flat())


def list_runs(
    folder: str | Path = "runs",
    *,
    name: str | None = None,
    status: str | None = None,
    tag: str | None = None,
    since: str | None = None,
) -> RunList:
    """All runs in a folder and below, however they ended.

    name: of their recipe, with * for any letters; status: running, done, failed, interrupted or
    killed; tag: one of theirs; since: a date like 2026-11-01. Raises UserError if there is no such
    folder, or for a status or a date that is none.
    """
    from tina_kit.pipeline.run_folders import chosen, find_runs

    found = find_runs(user_path(folder))
    some = chosen(found.runs, name, status, tag, since)
    return RunList([run.facts() for run in some], found.unreadable)


def describe_run(folder: str | Path) -> dict[str, Any]:
    """What `list_runs` says of a run, with more of its `run.json`, and its `results` (None if it
    has none)."""
    from tina_kit.pipeline.run_folders import RunFolder

    return RunFolder.open(user_path(folder)).details()


def tag_run(
    folder: str | Path, tags: Iterable[str] = (), *, remove: Iterable[str] = ()
) -> list[str]:
    """Add tags to a run, and remove others; returns those that it has. Raises UserError for a
    folder that is no run's, and for what cannot be a tag or is none of the run's."""
    from tina_kit.pipeline.notes import tagged
    from tina_kit.pipeline.run_folders import RunFolder

    return list(tagged(RunFolder.open(user_path(folder)).folder, tags, remove).tags)


def note_run(folder: str | Path, note: str) -> None:
    """Write a note on a run, which replaces an earlier one. Raises UserError for a folder that is
    no run's, and for a note that is too long."""
    from tina_kit.pipeline.notes import noted
    from tina_kit.pipeline.run_folders import RunFolder

    noted(RunFolder.open(user_path(folder)).folder, note)


def check_removable(folder: str | Path) -> None:
    """Raise UserError if `remove_run` would."""
    from tina_kit.pipeline.run_folders import RunFolder, check_removable

    check_removable(RunFolder.open(user_path(folder)))


def remove_run(folder: str | Path) -> list[Path]:
    """Remove the folder of a run that is over; its results stay in the store until `clean_store`.
    Returns files in the folder that no run writes, which stay with it. Raises UserError for any
    other folder."""
    from tina_kit.pipeline.run_folders import RunFolder, remove_run

    return remove_run(RunFolder.open(user_path(folder)))


def export_run(run: str | Path | FinishedRun, output: str | Path) -> int:
    """Write the folder of a finished run to one file, which is replaced; returns its bytes. The
    store's results are not in it. Raises UserError if it is no finished run or the file cannot be
    written."""
    from tina_kit.library.runs import open_run
    from tina_kit.pipeline.run_archive import export_run
    from tina_kit.pipeline.run_folders import EVALUATIONS

    folder = user_path(Path(str(getattr(run, "folder", run))))
    old = (folder / "run.json").is_file() and not (folder / EVALUATIONS).exists()
    counted = open_run(folder, "cpu").evaluations if old else None
    return export_run(folder, user_path(output), counted)


def import_run(file: str | Path, output: str | Path = "runs") -> Path:
    """Write the run in a file that `export_run` has written to a new folder, which is returned.

    output: where run folders are. Raises UserError for a file that is none, is damaged or holds
    anything else, and if there is such a folder already.
    """
    from tina_kit.pipeline.run_archive import import_run

    return import_run(user_path(file), user_path(output))
