"""Progress of long stages: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tina_kit.api.messages import printable
from tina_kit.cli.common import log

EVERY_S = 20.0  # seconds between plain lines
Advance = Callable[[int], None]


def progress() -> Callable[[str, int, int], AbstractContextManager[Advance]]:
    """What fits the terminal, or its absence."""
    return _bar if sys.stderr.isatty() else _lines


@contextmanager
def _bar(label: str, total: int, done: int) -> Iterator[Advance]:
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(printable(label), total=total, completed=done)
        yield lambda steps: bars.advance(task, steps)


@contextmanager
def _lines(label: str, total: int, done: int) -> Iterator[Advance]:
    start = last = time.monotonic()
    first = done

    def advance(steps: int) -> None:
        nonlocal done, last
        done += steps
        now = time.monotonic()
        if now - last >= EVERY_S and done < total:
            last = now
            rate = (done - first) / (now - start)
            left = (total - done) / rate if rate else 0
            log(f"{label}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left")

    if done:
        log(f"{label}: goes on from {done}/{total}")
    yield advance
