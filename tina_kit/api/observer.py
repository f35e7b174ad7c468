"""What watches a run: progress bars, logs and experiment trackers are observers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StageInfo:
    """One stage of a run.

    name: as in plans and logs (`zoo/ood 2/3`); kind: the kind of stage (`zoo`); key: its cache key.
    seed: the run's seed that it belongs to, None where seeds share it.
    cached: whether its result was in the store when the run began.
    seconds: how long it will take, from stages like it that were computed on this hardware before;
        None if there are none.
    """

    name: str
    kind: str
    key: str
    seed: int | None
    cached: bool
    seconds: float | None = None


@dataclass(frozen=True)
class RunInfo:
    """A run that begins.

    name: the recipe's; folder: the run folder; recipe: with every default written out; stages: in
    the order in which they run.
    """

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    stages: Sequence[StageInfo]


@dataclass(frozen=True)
class StepInfo:
    """How far a stage is.

    label: the stage's name, followed by what is counted where the stage counts several things.
    done, total: training steps, images or tasks. At the first of these events `done` is what an
        earlier run had already computed.
    training: which of the stage's trainings this is, None where nothing is trained.
    loss: mean loss since the last event that had one; about a hundred events of a training do.
    learning_rate: of the last step, where there is a loss.
    """

    label: str
    done: int
    total: int
    training: int | None = None
    loss: float | None = None
    learning_rate: float | None = None


class Observer:
    """Is told what happens in a run; every method does nothing unless overridden.

    A plugin brings observers with the hook `tina_kit_observers`. An error in one of them is
    reported once and switches that observer off; it never stops the run.
    """

    def run_started(self, run: RunInfo) -> None:
        """Called once, before the first stage."""

    def stage_started(self, stage: StageInfo) -> None:
        """Called when a stage is about to be computed; not for cached stages."""

    def note(self, stage: StageInfo, text: str) -> None:
        """Called with what a user should know of a stage, such as that another run computes it and
        this one waits."""

    def step(self, step: StepInfo) -> None:
        """Called for every step; must return quickly."""

    def checkpoint(self, label: str, step: int) -> None:
        """Called when a training has been saved after so many steps."""

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        """seconds: how long it took to compute, None where it was cached."""

    def result(self, results: Mapping[str, Any]) -> None:
        """Called once with the content of `results.json`."""

    def run_ended(self, status: str) -> None:
        """status: `done`, `failed` or `interrupted`."""
