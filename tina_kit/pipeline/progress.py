"""How far a run is, and how long the rest of its plan takes.

Times are measured: those of stages like it that were computed before (`StageInfo.seconds`), those
of this run's own, and those of the steps of the stage that is being computed. If the time of some
stage is not known, what is known is a lower bound and is shown as one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from tina_kit.api.observer import StageInfo, StepInfo

WARM_UP_S = 3.0
"""Before that, the rate of steps says too little."""
_ONE_TRAINING = ("generic", "zoo")
"""Kinds of stages whose steps are all of one training."""
_SHARD = re.compile(r" \d+/\d+(?= \[|$)")


class Progress:
    """Follows the events of a run.

    done, total: stages to compute; cached ones do not count. label, step: what is being counted;
    loss: the latest of the training at hand, None before there is one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._now = clock
        self._todo: list[StageInfo] = []
        self._measured: dict[tuple[str, str], float] = {}
        self.done = self.total = 0
        self._spent = 0.0  # estimated seconds of the stages that are done
        self.stage: StageInfo | None = None
        self.step: StepInfo | None = None
        self.loss: float | None = None
        self._began = self._step_began = 0.0
        self._first = 0
        self._resumed = False

    def run_started(self, stages: Sequence[StageInfo]) -> None:
        self._todo = [stage for stage in stages if not stage.cached]
        self.done, self.total = 0, len(self._todo)

    def stage_started(self, stage: StageInfo) -> None:
        self._clear()
        self.stage, self._began = stage, self._now()

    def stepped(self, step: StepInfo) -> bool:
        """Whether something else is being counted from now on."""
        before, self.step = self.step, step
        new = before is None or (before.label, before.training) != (step.label, step.training)
        if new:
            self._step_began, self._first, self.loss = self._now(), step.done, None
            self._resumed = self._resumed or 0 < step.done < step.total
        if step.loss is not None:
            self.loss = step.loss
        return new

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        if seconds is not None and not self._resumed:
            self._measured[_like(stage)] = seconds
        rest = [other for other in self._todo if other.key != stage.key]
        self.done += len(self._todo) - len(rest)
        self._todo = rest
        self._spent += seconds or 0.0
        self._clear()

    @property
    def rate(self) -> float | None:
        """Steps per second of what is being counted, None while it is not known."""
        step = self.step  # a bar reads this in a thread of its own
        if step is None:
            return None
        seconds, steps = self._now() - self._step_began, step.done - self._first
        return steps / seconds if seconds >= WARM_UP_S and steps else None

    def left(self) -> tuple[float, bool]:
        """Seconds that the rest of the plan takes, and whether that is all of it: False where the
        time of some stage is not known and left out."""
        seconds, whole = 0.0, True
        for stage in self._todo:
            each, known = self._left_of(stage)
            seconds += each
            whole = whole and known
        return seconds, whole

    def fraction(self) -> float:
        """Of the whole plan: of its time if that is known, else of its stages."""
        seconds, whole = self.left()
        if whole and self.total:
            spent = self._spent + (self._now() - self._began if self.stage else 0.0)
            return spent / (spent + seconds) if spent + seconds > 0 else 0.0
        return self.done / self.total if self.total else 0.0

    def _left_of(self, stage: StageInfo) -> tuple[float, bool]:
        usual = stage.seconds
        if usual is None:
            usual = self._measured.get(_like(stage))
        current = self.stage
        if current is None or stage.key != current.key:
            return usual or 0.0, usual is not None
        by_steps = self._left_by_steps()
        if by_steps is not None and (stage.kind in _ONE_TRAINING or usual is None):
            return by_steps, stage.kind in _ONE_TRAINING
        if usual is None:
            return 0.0, False
        if self._resumed:  # the part that is left is not known otherwise
            return by_steps or 0.0, by_steps is not None
        return max(usual - (self._now() - self._began), by_steps or 0.0), True

    def _left_by_steps(self) -> float | None:
        """What is being counted now; None while its rate is not known."""
        rate, step = self.rate, self.step
        return None if rate is None or step is None else (step.total - step.done) / rate

    def _clear(self) -> None:
        self.stage = self.step = self.loss = None
        self._resumed = False


def _like(stage: StageInfo) -> tuple[str, str]:
    """What stages share that take equally long: shards of a split, and one stage of all seeds."""
    return stage.kind, _SHARD.sub("", stage.name)
