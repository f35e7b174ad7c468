"""Which stages are computed when, and what a failure or a lost worker changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any

import pytest

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline.workers.executor import Failure, InProcess, Outcome, WorkerLost
from tina_kit.pipeline.workers.schedule import MOST_LOSSES, Schedule


class Stage:
    """What the schedule looks at."""

    def __init__(self, name: str, *after: Stage, cached: bool = False) -> None:
        self.name = self.kind = self.key = name
        self.after, self.cached = after, cached


class Workers:
    """Computes at most `slots` stages at once; each ends when another one cannot begin."""

    in_order = False

    def __init__(self, slots: int, answers: Mapping[str, list[Any]]) -> None:
        self.slots, self.answers = slots, {name: list(all_) for name, all_ in answers.items()}
        self.begun: list[str] = []
        self.running: list[tuple[str, Future[Outcome]]] = []
        self.most = 0

    def submit(self, stage: Any) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self.begun.append(stage.name)
        self.running.append((stage.name, future))
        self.most = max(self.most, len(self.running))
        if len(self.running) == self.slots:
            self.finish()
        return future

    def events(self) -> list[Any]:
        self.finish()
        return [("note", ("heard",))] if self.begun else []

    def finish(self) -> None:
        for name, future in self.running:
            left = self.answers.get(name)
            answer = left.pop(0) if left else Outcome(1.0)
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self.running = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture
def scheduled() -> Callable[..., tuple[Workers, list[str], list[str]]]:
    def scheduled(
        stages: list[Stage],
        slots: int = 2,
        seconds: Mapping[str, float] = MappingProxyType({}),
        keep_going: bool = False,
        **answers: list[Any],
    ) -> tuple[Workers, list[str], list[str]]:
        workers = Workers(slots, answers)
        lost: list[str] = []
        here = InProcess(lambda stage: ended.append(f"here {stage.name}"))
        schedule = Schedule(
            workers,
            here,
            lambda stage: seconds.get(stage.name),
            lambda stage, outcome: ended.append(stage.name),
            lambda event: None,
            lambda stage: lost.append(stage.name),
            keep_going,
        )
        ended.clear()
        schedule.run(stages)  # type: ignore[arg-type]
        return workers, ended, lost

    ended: list[str] = []
    scheduled.ended = ended  # type: ignore[attr-defined]
    return scheduled


IMAGES = Stage("images")
GENERIC = Stage("generic", IMAGES)
SHARDS = [Stage(f"zoo {number}", GENERIC) for number in range(3)]
FITS = [Stage(name, *SHARDS) for name in ("a", "b")]
PLAN = [IMAGES, GENERIC, *SHARDS, *FITS]


def test_a_stage_begins_once_what_it_needs_is_there_and_others_beside_it(scheduled) -> None:
    workers, ended, _ = scheduled(PLAN)
    assert sorted(ended) == sorted(stage.name for stage in PLAN) and workers.most == 2
    for stage in PLAN:
        for before in stage.after:
            assert ended.index(before.name) < ended.index(stage.name)
            assert workers.begun.index(before.name) < workers.begun.index(stage.name)


def test_what_has_the_most_after_it_begins_first(scheduled) -> None:
    short, long = Stage("short"), Stage("long")
    stages = [short, long, Stage("end", long)]
    assert scheduled(stages, 1)[0].begun == ["long", "short", "end"]
    times = {"short": 9.0, "long": 1.0, "end": 1.0}
    assert scheduled(stages, 1, seconds=times)[0].begun == ["short", "long", "end"]


def test_stored_stages_need_no_worker(scheduled) -> None:
    stored = Stage("stored", cached=True)
    workers, ended, _ = scheduled([stored, Stage("new", stored)])
    assert workers.begun == ["new"] and ended == ["here stored", "stored", "new"]


def test_a_stage_whose_worker_is_lost_is_computed_again_and_no_other_one(scheduled) -> None:
    workers, ended, lost = scheduled(PLAN, a=[WorkerLost("gone")])
    assert workers.begun.count("a") == 2 and len(workers.begun) == len(PLAN) + 1
    assert lost == ["a"] and sorted(ended) == sorted(stage.name for stage in PLAN)


def test_a_stage_that_loses_every_worker_fails_by_its_name(scheduled) -> None:
    with pytest.raises(TinaKitError, match=r"^a: 3 workers ended while they computed it \(gone\)"):
        scheduled(PLAN, a=[WorkerLost("gone")] * MOST_LOSSES)


def test_the_first_failure_ends_the_run(scheduled) -> None:
    failure = Outcome(failure=Failure("no such class", by_user=True))
    with pytest.raises(UserError, match=r"^generic: no such class$"):
        scheduled(PLAN, generic=[failure])
    assert scheduled.ended == ["images"]


def test_keep_going_computes_what_does_not_need_the_failed_stage(scheduled) -> None:
    failure = Outcome(failure=Failure("out of memory", by_user=False))
    more = [*PLAN, Stage("measured a", FITS[0]), Stage("measured b", FITS[1])]
    with pytest.raises(TinaKitError) as raised:
        scheduled(more, keep_going=True, a=[failure])
    assert str(raised.value) == (
        "1 stage failed, and 1 that needs its result had to be left out:\na: out of memory"
    )
    assert not isinstance(raised.value, UserError)
    assert "measured b" in scheduled.ended and "measured a" not in scheduled.ended


def test_a_worker_that_can_compute_nothing_ends_the_run_at_once(scheduled) -> None:
    failure = Outcome(failure=Failure("another store", by_user=True, whole=True))
    with pytest.raises(UserError, match=r"^another store$"):
        scheduled(PLAN, keep_going=True, images=[failure])
