"""`watch`: how far a run is, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.api.messages import printable
from tina_kit.cli.layout import print_table
from tina_kit.cli.options import user_paths
from tina_kit.cli.terminal import raw
from tina_kit.report.amounts import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tina_kit.pipeline.watched import Training, Watched

EVERY_S = 0.5
LAST = 6  # events that are shown
CURVE = 40  # characters of a curve
BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def watch(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="The folder of a run, running or ended.",
            callback=user_paths,
        ),
    ],
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Print the current state once, and do not wait for the run to end."
        ),
    ] = False,
) -> None:
    """Show how far a run is, until it ends: status, stage, losses and the last events.

    Reads only the run folder, so it works from another terminal. If the output is not a terminal,
    events are printed as they happen.
    """
    from tina_kit import library

    state = library.watched(run)
    if once or not state.running:
        for line in summary(state):
            print(line)
    elif sys.stdout.isatty():
        state = _live(run, state)
    else:
        state = _lines(run, state)
    if state.table is not None:
        print()
        print_table(state.table)


def summary(state: Watched) -> Iterator[str]:
    """Lines of plain text."""
    from tina_kit.pipeline.watched import words

    yield from state.lines()
    if state.training is not None:
        yield from curves(state.training)
    yield from [text for event in state.events if (text := words(event))][-LAST:]


def curves(training: Training) -> Iterator[str]:
    """How far a training is, and its curves with their first and last values."""
    yield str(training)
    for name, values in (("loss", training.losses), ("p-Acc", training.p_acc)):
        if values:
            ends = f"{values[0]:.3g} to {values[-1]:.3g}"
            yield f"  {name.ljust(5)} {sparkline(values)}  {ends}"


def sparkline(values: Sequence[float], most: int = CURVE) -> str:
    """A curve in one line of text, from the smallest to the largest value."""
    levels = BLOCKS if (sys.stdout.encoding or "").lower().startswith("utf") else LETTERS
    if len(values) > most:
        edges = [place * len(values) // most for place in range(most + 1)]
        values = [fmean(values[first:last]) for first, last in pairwise(edges)]
    low, high = min(values), max(values)
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(levels[round((value - low) * scale)] for value in values)


def _lines(run: Path, state: Watched) -> Watched:
    """Print each event once, until the run ends."""
    from tina_kit import library
    from tina_kit.pipeline.watched import words

    seen = 0
    while True:
        for event in state.events[seen:]:
            if text := words(event):
                print(f"{event['time']} {text}", flush=True)
        seen = len(state.events)
        if not state.running:
            break
        time.sleep(EVERY_S)
        state = library.watched(run)
    print(f"{state.name}: {state.status}, {duration(state.seconds)}")
    if state.error:
        print(f"error: {state.error}")
    return state


def _live(run: Path, state: Watched) -> Watched:
    from rich.console import Console
    from rich.live import Live

    from tina_kit import library

    # Escape sequences of rich go to the terminal itself; what it shows is made printable before.
    console = Console(file=raw(sys.stdout), highlight=False)
    with Live(_drawn(state), console=console, auto_refresh=False, redirect_stdout=False) as live:
        while state.running:
            time.sleep(EVERY_S)
            state = library.watched(run)
            live.update(_drawn(state), refresh=True)
    return state


def _drawn(state: Watched) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head, *rest = (
        Text(printable(line), overflow="ellipsis", no_wrap=True) for line in summary(state)
    )
    colours = {"running": "cyan", "done": "green"}
    head.stylize(f"bold {colours.get(state.status, 'red')}")
    bar = Table.grid()
    bar.add_row(ProgressBar(max(1, state.total), state.done, width=60))
    return Group(head, bar, *rest)
