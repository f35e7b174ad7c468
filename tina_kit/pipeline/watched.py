"""How far a run is, read from its folder while it goes on or after it has ended.

Nothing but its files is needed, so a run can be watched from another terminal or, on a shared disk,
from another machine.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tina_kit.pipeline.logs import EVENTS, METRICS
from tina_kit.pipeline.run_files import Results, read_content
from tina_kit.pipeline.run_folders import RESULTS, RunFolder
from tina_kit.report.amounts import duration
from tina_kit.report.table import Table


@dataclass(frozen=True)
class Training:
    """The curves of one training. step, steps: how far it is; seconds: since it began; losses,
    p_acc: as often as they were measured, p-Acc in percent."""

    stage: str
    seed: str
    step: int
    steps: int
    seconds: float
    losses: Sequence[float]
    p_acc: Sequence[float]

    @property
    def left(self) -> float | None:
        """Seconds until it ends, at its rate so far; None before it is known."""
        return (self.steps - self.step) * self.seconds / self.step if self.step else None

    def __str__(self) -> str:
        seed = f", seed {self.seed}" if self.seed else ""
        left = self.left if self.step < self.steps else None
        rest = f", {duration(left)} left" if left else ""
        return f"{self.stage}{seed}: step {self.step} of {self.steps}{rest}"


@dataclass(frozen=True, repr=False)
class Watched:
    """A run as its files say it is.

    status: running, done, failed, interrupted or killed; error: why it failed; done, total: stages
    to compute, and how many of them have ended; stage: the one that is being computed, the latest
    if several are, None between two; seconds: since the run began, or until it ended; training: the
    one at hand or, if none is, the last; events: the content of `events.jsonl`; table: the results,
    if there are any.
    """

    folder: Path
    name: str
    status: str
    error: str
    done: int
    total: int
    stage: str | None
    seconds: float
    training: Training | None
    events: Sequence[Mapping[str, Any]]
    table: Table | None = None

    @property
    def running(self) -> bool:
        return self.status == "running"

    def lines(self) -> list[str]:
        """How far it is, in words."""
        now = f", now {self.stage}" if self.stage and self.running else ""
        return [
            f"{self.name}: {self.status}, {duration(self.seconds)} ({self.folder})",
            *([f"error: {self.error}"] if self.error else []),
            f"stages: {self.done} of {self.total} computed{now}",
        ]

    def __str__(self) -> str:
        return "\n".join([*self.lines(), *([str(self.training)] if self.training else [])])

    def __repr__(self) -> str:
        return f"<{self.lines()[0]}>"


def watched(folder: Path) -> Watched:
    """A run that may have ended in any way. Raises UserError if the folder is not one's."""
    run = RunFolder.open(folder)  # before the rest, so that of a run that has ended nothing is lost
    record, events = run.record, list(_events(folder))
    first = next((each for each in events if each["event"] == "run started"), {})
    total = int(first.get("stages", 0)) - int(first.get("cached", 0))
    started = [each for each in events if each["event"] == "stage started"]
    begun = {each["key"] for each in started}  # another worker may have begun one again
    ended = {each["key"] for each in events if each["event"] == "stage ended"}
    current = next((e["stage"] for e in reversed(started) if e["key"] not in ended), None)
    until = record.get("ended") or (
        events[-1]["time"] if run.status == "killed" and events else None
    )
    return Watched(
        folder,
        str(record["name"]),
        run.status,
        str(record.get("error", "")),
        len(begun & ended),
        max(total, len(begun)),
        current,
        _seconds(record["started"], until),
        _training(folder),
        events,
        _table(folder) if run.status == "done" else None,
    )


def words(event: Mapping[str, Any]) -> str:
    """An event in words; "" for one that is not worth a line."""
    what, stage = event["event"], event.get("stage", "")
    if what == "stage ended" and event["state"] == "computed":
        return f"{stage}: done in {event['seconds']:.1f} s"
    if what == "stage started":
        return f"{stage}: started"
    if what == "checkpoint":
        return f"{stage}: checkpoint at step {event['step']}"
    if what == "note":
        return f"{stage}: {event['text']}"
    if what == "run started":
        return f"run started: {event['stages']} stages, {event['cached']} cached"
    if what == "run ended":
        return f"run ended: {event['status']}"
    return ""


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    """Those that are whole: the run may be writing the last one."""
    try:
        text = (folder / EVENTS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event and "time" in event:
            yield event


def _training(folder: Path) -> Training | None:
    """The last training with a loss."""
    try:
        with (folder / METRICS).open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("seconds")]  # whole ones
        last = rows[-1]
        same = [row for row in rows if _place(row) == _place(last)]
        return Training(
            last["stage"],
            last.get("seed") or "",
            int(last["step"]),
            int(last["steps"]),
            float(last["seconds"]),
            [float(row["loss"]) for row in same],
            [float(row["p_acc"]) for row in same if row.get("p_acc")],
        )
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return None


def _place(row: Mapping[str, str]) -> tuple[str | None, ...]:
    return row.get("stage"), row.get("training"), row.get("seed")


def _table(folder: Path) -> Table | None:
    try:
        results = read_content(folder / RESULTS, Results)
        return Table(results["generators"], results["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seconds(started: str, ended: str | None) -> float:
    try:
        end = datetime.fromisoformat(ended) if ended else datetime.now(timezone.utc)
        return max(0.0, (end - datetime.fromisoformat(started)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
