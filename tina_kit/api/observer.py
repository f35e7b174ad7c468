"""The contract of observers, such as progress bars, logs and experiment trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StageInfo:
    """One stage of a run.

    name: as in plans and logs (`zoo/ood 2/3`); kind: the kind of stage (`zoo`); key: its cache key.
    seed: the seed of the run that it belongs to, None if the seeds share it.
    cached: whether its result was already stored when the run began.
    seconds: how long it is expected to take, from similar stages computed on this hardware before;
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
    """A run that is about to start.

    name: the recipe's; folder: the run folder; recipe: with all defaults filled in; stages: in
    execution order.
    """

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    stages: Sequence[StageInfo]


@dataclass(frozen=True)
class StepInfo:
    """The progress of a stage.

    label: the stage's name, followed by what is counted if the stage counts several things.
    done, total: training steps, images or tasks. In the first event, `done` is what an earlier run
        had already computed.
    training: the index of the training within the stage, None if nothing is trained.
    loss: mean loss since the last event with a loss; about a hundred events per training have one.
    learning_rate: of the last step, given together with a loss.
    p_acc: validation p-Acc in percent, given together with some losses where `evaluation.curve`
        asks for it.
    stage: the stage that it belongs to, since several may be computed at once; None outside of a
        run.
    """

    label: str
    done: int
    total: int
    training: int | None = None
    loss: float | None = None
    learning_rate: float | None = None
    p_acc: float | None = None
    stage: StageInfo | None = None


class Observer:
    """Receives the events of a run; every method does nothing unless overridden.

    Plugins provide observers through the hook `tina_kit_observers`. An error in an observer is
    reported once and disables that observer; it never stops the run.
    """

    def run_started(self, run: RunInfo) -> None:
        """Called once, before the first stage."""

    def stage_started(self, stage: StageInfo) -> None:
        """Called before a stage is computed; not called for cached stages."""

    def note(self, stage: StageInfo, text: str) -> None:
        """Called with a message about a stage for the user, such as that it waits for another run
        that is computing it."""

    def step(self, step: StepInfo) -> None:
        """Called for every step, and where stages are computed by workers for some of them, with
        every loss; must return quickly."""

    def checkpoint(self, label: str, step: int) -> None:
        """Called after a checkpoint has been saved. step: the number of steps completed."""

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        """Called when a stage is done. seconds: how long it took, None if it was cached."""

    def result(self, results: Mapping[str, Any]) -> None:
        """Called once with the content of `results.json`."""

    def run_ended(self, status: str) -> None:
        """Called last. status: `done`, `failed` or `interrupted`."""
