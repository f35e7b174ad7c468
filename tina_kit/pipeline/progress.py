"""How far a run is, and how long the rest of its plan takes.

Times are measured: those of stages like it that were computed before (`StageInfo.seconds`), those
of this run's own, and those of the steps of the stages that are being computed. If the time of some
stage is not known, what is known is a lower bound and is shown as one. So is what is left for
several workers, which need not always all have something to do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tina_kit.api.observer import StageInfo, StepInfo

WARM_UP_S = 3.0
"""Before that, the rate of steps says too little."""
_ONE_TRAINING = ("generic", "zoo")
"""Kinds of stages whose steps are all of one training."""
_SHARD = re.compile(r" \d+/\d+(?= \[|$)")


@dataclass
class Counted:
    """A stage that is being computed, None for steps outside of a run.

    step: what is being counted; loss: the latest of the training at hand, None before there is one.
    """

    stage: StageInfo | None
    clock: Callable[[], float]
    began: float
    step: StepInfo | None = None
    loss: float | None = None
    resumed: bool = False
    _step_began: float = 0.0
    _first: int = 0

    def stepped(self, step: StepInfo) -> bool:
        """Whether something else is being counted from now on."""
        before, self.step = self.step, step
        new = before is None or (before.label, before.training) != (step.label, step.training)
        if new:
            self._step_began, self._first, self.loss = self.clock(), step.done, None
            self.resumed = self.resumed or 0 < step.done < step.total
        if step.loss is not None:
            self.loss = step.loss
        return new

    @property
    def rate(self) -> float | None:
        """Steps per second of what is being counted, None while it is not known."""
        step = self.step  # a bar reads this in a thread of its own
        if step is None:
            return None
        seconds, steps = self.clock() - self._step_began, step.done - self._first
        return steps / seconds if seconds >= WARM_UP_S and steps else None

    def left_by_steps(self) -> float | None:
        """What is being counted now; None while its rate is not known."""
        rate, step = self.rate, self.step
        return None if rate is None or step is None else (step.total - step.done) / rate


class Progress:
    """Follows the events of a run.

    done, total: stages to compute; cached ones do not count. running: those being computed, by key,
    the one that was heard of last at the end.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._now = clock
        self._todo: list[StageInfo] = []
        self._measured: dict[tuple[str, str], float] = {}
        self.done = self.total = 0
        self._spent = 0.0  # estimated seconds of the stages that are done
        self.running: dict[str, Counted] = {}
        self._at_once = 1  # the most stages that were computed at the same time

    def run_started(self, stages: Sequence[StageInfo]) -> None:
        self._todo = [stage for stage in stages if not stage.cached]
        self.done, self.total = 0, len(self._todo)

    def stage_started(self, stage: StageInfo) -> None:
        self.running = {
            **self._others(stage.key),
            stage.key: Counted(stage, self._now, self._now()),
        }
        self._at_once = max(self._at_once, len(self.running))

    def stepped(self, step: StepInfo) -> bool:
        """Whether something else of its stage is being counted from now on."""
        counted = self._of(step)
        key = counted.stage.key if counted.stage else ""
        self.running = {**self._others(key), key: counted}
        return counted.stepped(step)

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        counted = self.running.get(stage.key)
        if seconds is not None and not (counted and counted.resumed):
            self._measured[_like(stage)] = seconds
        rest = [other for other in self._todo if other.key != stage.key]
        self.done += len(self._todo) - len(rest)
        self._todo = rest
        self._spent += seconds or 0.0
        self.running = self._others(stage.key)

    @property
    def latest(self) -> Counted | None:
        """What was heard of last."""
        counted = list(self.running.values())
        return counted[-1] if counted else None

    def left(self) -> tuple[float, bool]:
        """Seconds that the rest of the plan takes, and whether that is all of it: False where the
        time of some stage is not known and left out, and where several are computed at once."""
        seconds, longest, whole = self._rest()
        if self._at_once == 1:
            return seconds, whole
        return max(longest, seconds / self._at_once), False

    def fraction(self) -> float:
        """Of the whole plan: of its time if that is known, else of its stages."""
        seconds, _, whole = self._rest()
        if whole and self.total:
            spent = self._spent + sum(self._now() - each.began for each in self.running.values())
            return spent / (spent + seconds) if spent + seconds > 0 else 0.0
        return self.done / self.total if self.total else 0.0

    def _rest(self) -> tuple[float, float, bool]:
        """Seconds of all stages that are left and of the longest, and whether all are known."""
        seconds, longest, whole = 0.0, 0.0, True
        for stage in self._todo:
            each, known = self._left_of(stage)
            seconds += each
            longest = max(longest, each)
            whole = whole and known
        return seconds, longest, whole

    def _left_of(self, stage: StageInfo) -> tuple[float, bool]:
        usual = stage.seconds
        if usual is None:
            usual = self._measured.get(_like(stage))
        current = self.running.get(stage.key)
        if current is None:
            return usual or 0.0, usual is not None
        by_steps = current.left_by_steps()
        if by_steps is not None and (stage.kind in _ONE_TRAINING or usual is None):
            return by_steps, stage.kind in _ONE_TRAINING
        if usual is None:
            return 0.0, False
        if current.resumed:  # the part that is left is not known otherwise
            return by_steps or 0.0, by_steps is not None
        return max(usual - (self._now() - current.began), by_steps or 0.0), True

    def _of(self, step: StepInfo) -> Counted:
        found = self.running.get(step.stage.key) if step.stage else self.latest
        return found or Counted(step.stage, self._now, self._now())

    def _others(self, key: str) -> dict[str, Counted]:
        # A new one each time: a bar reads it in a thread of its own.
        return {each: counted for each, counted in self.running.items() if each != key}


def _like(stage: StageInfo) -> tuple[str, str]:
    """What stages share that take equally long: shards of a split, and one stage of all seeds."""
    return stage.kind, _SHARD.sub("", stage.name)
