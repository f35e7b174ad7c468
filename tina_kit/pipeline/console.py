"""Progress of a run: one bar for the whole plan on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tina_kit.api.messages import printable
from tina_kit.api.observer import Observer, RunInfo, StageInfo, StepInfo
from tina_kit.pipeline.progress import Counted, Progress
from tina_kit.report.amounts import duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


def log(line: str) -> None:
    """Logs go to stderr, results to stdout."""
    print(printable(line, lines=True), file=sys.stderr, flush=True)


EVERY_S = 20.0  # seconds between plain lines
MOST = 8  # stages below the bar


def console() -> Observer:
    """A bar on a terminal, else lines."""
    return Bar() if sys.stderr.isatty() else Lines()


class _Console(Observer):
    """A line for each stage that was computed."""

    def __init__(self) -> None:
        self.progress = Progress()

    def run_started(self, run: RunInfo) -> None:
        self.progress.run_started(run.stages)

    def note(self, stage: StageInfo, text: str) -> None:
        log(f"{stage.name}: {text}")

    def stage_started(self, stage: StageInfo) -> None:
        self.progress.stage_started(stage)

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        self.progress.stage_ended(stage, seconds)
        if seconds is not None:
            log(f"{stage.name}: done in {duration(seconds)}")


class Lines(_Console):
    """Says every 20 seconds how far a stage is."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}  # by what is counted

    def step(self, step: StepInfo) -> None:
        now, stage = time.monotonic(), step.stage.key if step.stage else ""
        if self.progress.stepped(step):
            self._last[stage] = now
            if 0 < step.done < step.total:
                log(f"{step.label}: resumes at {step.done}/{step.total}")
        elif now - self._last.get(stage, now) >= EVERY_S and step.done < step.total:
            self._last[stage] = now
            plan = plan_words(self.progress)
            words = step_words(self.progress.latest)
            log(f"{step.label}: {words}{f'; {plan}' if plan else ''}")


class Bar(_Console):
    """One bar for the whole plan. Below it, the stages at hand."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None

    def run_started(self, run: RunInfo) -> None:
        super().run_started(run)
        if self.progress.total:
            self._show()

    def step(self, step: StepInfo) -> None:
        self.progress.stepped(step)
        if self._live is None:
            self._show()
        if not self.progress.total and step.done >= step.total:  # outside of a run
            self._hide()

    def run_ended(self, status: str) -> None:
        self._hide()

    def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(stderr=True, highlight=False),
            get_renderable=self._drawn,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,  # results never mix with the log
        )
        self._live.start()

    def _hide(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self.progress
        lines: list[RenderableType] = []
        if progress.total:
            line = Table.grid(expand=True, padding=(0, 1))
            line.add_column(ratio=1)
            line.add_column(no_wrap=True)
            line.add_row(ProgressBar(1.0, progress.fraction()), plan_words(progress))
            lines.append(line)
        counted = list(progress.running.values())
        lines += [Text(printable(_line(each))) for each in counted[-MOST:]]
        if len(counted) > MOST:
            lines.append(Text(f"and {len(counted) - MOST} more"))
        return Group(*lines)


def _line(counted: Counted) -> str:
    """How far a stage is that is being computed."""
    if counted.step is not None:
        return f"{counted.step.label}: {step_words(counted)}"
    return counted.stage.name if counted.stage else ""


def plan_words(progress: Progress) -> str:
    """`stage 4 of 12, 3 min 20 s left`; the time only if it is known, or a bound of it."""
    if not progress.total:
        return ""
    words = f"stage {min(progress.done + 1, progress.total)} of {progress.total}"
    seconds, whole = progress.left()
    if seconds < 1:
        return words
    return f"{words}, {'' if whole else 'more than '}{duration(seconds)} left"


def step_words(counted: Counted | None) -> str:
    """`1200/3000, loss 0.213, 35.1/s`."""
    step = None if counted is None else counted.step
    if counted is None or step is None:
        return ""
    words = [f"{step.done}/{step.total}"]
    words += [] if counted.loss is None else [f"loss {counted.loss:.3g}"]
    words += [] if counted.rate is None else [f"{counted.rate:.1f}/s"]
    return ", ".join(words)
