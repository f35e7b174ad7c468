"""Progress of a run: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tina_kit.api.messages import printable
from tina_kit.api.observer import Observer, StageInfo, StepInfo

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def log(line: str) -> None:
    """Logs go to stderr, results to stdout."""
    print(printable(line, lines=True), file=sys.stderr, flush=True)


EVERY_S = 20.0  # seconds between plain lines


def console() -> Observer:
    """A bar on a terminal, else lines."""
    return Bar() if sys.stderr.isatty() else Lines()


class _Console(Observer):
    """A line for each stage that was computed."""

    def note(self, stage: StageInfo, text: str) -> None:
        log(f"{stage.name}: {text}")

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        if seconds is not None:
            log(f"{stage.name}: done in {duration(seconds)}")


class Lines(_Console):
    """Says every 20 seconds how far a stage is."""

    def __init__(self) -> None:
        self._label: tuple[str, int | None] | None = None
        self._start = self._last = 0.0
        self._first = 0

    def step(self, step: StepInfo) -> None:
        now = time.monotonic()
        if (step.label, step.training) != self._label:
            self._label = step.label, step.training
            self._start = self._last = now
            self._first = step.done
            if 0 < step.done < step.total:
                log(f"{step.label}: resumes at {step.done}/{step.total}")
        elif now - self._last >= EVERY_S and step.done < step.total:
            self._last = now
            rate = (step.done - self._first) / (now - self._start)
            left = f", {duration((step.total - step.done) / rate)} left" if rate else ""
            log(f"{step.label}: {step.done}/{step.total}, {rate:.1f}/s{left}")


class Bar(_Console):
    """A bar for what is being counted."""

    def __init__(self) -> None:
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._label: tuple[str, int | None] | None = None

    def step(self, step: StepInfo) -> None:
        if self._bars is None:
            self._bars = _bars()
            self._bars.start()
        if (step.label, step.training) != self._label:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._label = step.label, step.training
            self._task = self._bars.add_task(
                printable(step.label), total=step.total, completed=step.done
            )
        assert self._task is not None
        self._bars.update(self._task, completed=step.done)

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        self._clear()
        super().stage_ended(stage, seconds)

    def run_ended(self, status: str) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = self._label = None


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
