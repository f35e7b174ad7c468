"""In which order the stages of a plan are computed, and what happens if one of them fails."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from heapq import heappop, heappush

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.workers.executor import (
    Event,
    Executor,
    InProcess,
    Outcome,
    WorkerLost,
    error_of,
)

MOST_LOSSES = 3
"""After so many lost workers a stage has failed: it may be what kills them."""
SHOWN = 20  # failed stages in a message
POLL_S = 0.1  # seconds between looks at what workers tell
_Name = tuple[str, str]


class Schedule:
    """Has each stage computed once the stages are stored that it needs, several at once if the
    executor takes them: first those after which the most is left to do.

    here: for stages that are stored; seconds: how long a stage takes, None if that is not known;
    ended: told of each stage in turn; hear: told of what workers tell; lost: of lost workers;
    keep_going: after a failure, compute what does not need its result.
    """

    def __init__(
        self,
        executor: Executor,
        here: InProcess,
        seconds: Callable[[Stage], float | None],
        ended: Callable[[Stage, Outcome], None],
        hear: Callable[[Event], None],
        lost: Callable[[Stage], None],
        keep_going: bool = False,
    ) -> None:
        self._executor, self._here, self._seconds = executor, here, seconds
        self._ended, self._hear, self._lost = ended, hear, lost
        self._keep_going = keep_going
        self._done: set[_Name] = set()
        self._losses: Counter[_Name] = Counter()
        self._missing: dict[_Name, int] = {}
        self._waiting: dict[_Name, list[Stage]] = defaultdict(list)
        self._rank: dict[_Name, tuple[float, int]] = {}
        self._ready: list[tuple[float, int, Stage]] = []
        self._running: dict[Future[Outcome], Stage] = {}

    def run(self, stages: Sequence[Stage]) -> None:
        """Compute stages, in the order of the plan and after what they need, unless an earlier call
        has. Raises the error of the first that fails; with `keep_going`, one that names all."""
        stages = [stage for stage in stages if _name(stage) not in self._done]
        self._rank = self._ranks(stages)
        self._wait_for_inputs(stages)
        failed: dict[_Name, Exception] = {}
        while self._ready or self._running:
            self._fill()
            for stage, outcome in self._finished():
                if isinstance(outcome, Outcome):
                    self._end(stage, outcome)
                elif self._keep_going:
                    failed[_name(stage)] = outcome
                else:
                    raise outcome
        if failed:
            done = sum(_name(stage) in self._done for stage in stages)
            raise _summary(stages, failed, len(stages) - len(failed) - done)

    def _wait_for_inputs(self, stages: Sequence[Stage]) -> None:
        """Note how many stages each one waits for, and which wait for it."""
        for stage in stages:
            missing = {_name(before) for before in stage.after} - self._done
            self._missing[_name(stage)] = len(missing)
            for before in missing:
                self._waiting[before].append(stage)
            if not missing:
                self._make_ready(stage)

    def _make_ready(self, stage: Stage) -> None:
        heappush(self._ready, (*self._rank[_name(stage)], stage))

    def _end(self, stage: Stage, outcome: Outcome) -> None:
        self._done.add(_name(stage))
        self._ended(stage, outcome)
        for after in self._waiting.pop(_name(stage), ()):
            self._missing[_name(after)] -= 1
            if not self._missing[_name(after)]:
                self._make_ready(after)

    def _fill(self) -> None:
        while self._ready and len(self._running) < self._executor.slots:
            stage = heappop(self._ready)[-1]
            chosen = self._here if stage.cached else self._executor
            self._running[chosen.submit(stage)] = stage

    def _finished(self) -> Iterator[tuple[Stage, Outcome | Exception]]:
        """What is done by now; a stage whose worker was lost is ready again."""
        done = wait(self._running, POLL_S, FIRST_COMPLETED).done
        for event in self._executor.events():  # after the wait: all that they have told by then
            self._hear(event)
        for future in sorted(done, key=lambda future: self._rank[_name(self._running[future])]):
            stage = self._running.pop(future)
            try:
                outcome = future.result()
            except WorkerLost as lost:
                self._losses[_name(stage)] += 1
                if self._losses[_name(stage)] < MOST_LOSSES:
                    self._lost(stage)
                    self._make_ready(stage)
                else:
                    yield stage, _poisoned(stage, lost)
            except Exception as error:
                yield stage, error
            else:
                failure = outcome.failure
                if failure is not None and failure.whole:
                    raise error_of(stage, failure)
                yield stage, outcome if failure is None else error_of(stage, failure)

    def _ranks(self, stages: Sequence[Stage]) -> dict[_Name, tuple[float, int]]:
        """By which the next stage is chosen: the longest time that the stages take which come one
        after another from it to the end, then its place in the plan."""
        places = {_name(stage): place for place, stage in enumerate(stages)}
        if self._executor.in_order:
            return {name: (0.0, place) for name, place in places.items()}
        times = [0.0 if stage.cached else self._seconds(stage) for stage in stages]
        known = [each for each in times if each]
        usual = sum(known) / len(known) if known else 1.0
        rest = [usual if each is None else each for each in times]
        after = [0.0] * len(stages)
        for place in reversed(range(len(stages))):
            rest[place] += after[place]
            for before in stages[place].after:
                each = places.get(_name(before))
                if each is not None:
                    after[each] = max(after[each], rest[place])
        return {name: (-rest[place], place) for name, place in places.items()}


def _name(stage: Stage) -> _Name:
    return stage.kind, stage.key


def _poisoned(stage: Stage, lost: WorkerLost) -> TinaKitError:
    return TinaKitError(
        f"{stage.name}: {MOST_LOSSES} workers ended while they computed it ({lost}). Often the "
        "system ends a process that takes too much memory: try fewer workers, or a smaller recipe"
    )


def _summary(stages: Sequence[Stage], failed: dict[_Name, Exception], left: int) -> TinaKitError:
    """One error that names every stage that failed. left: stages that were not computed."""
    by_user = any(isinstance(error, UserError) for error in failed.values())
    lines = []
    for stage in stages:
        if (error := failed.get(_name(stage))) is not None:
            text = str(error) or type(error).__name__
            lines.append(text if text.startswith(stage.name) else f"{stage.name}: {text}")
    count = f"{len(failed)} stage{'s' if len(failed) > 1 else ''} failed"
    if left:
        results = "their results" if len(failed) > 1 else "its result"
        count += f", and {left} that need{'s' if left == 1 else ''} {results} had to be left out"
    more = [f"and {len(lines) - SHOWN:,} more"] if len(lines) > SHOWN else []
    text = "\n".join([f"{count}:", *lines[:SHOWN], *more])
    error = (UserError if by_user else TinaKitError)(text)
    error.__cause__ = next(iter(failed.values()))
    return error
