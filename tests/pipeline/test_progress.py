"""How far a run is, and how long the rest takes, as a terminal and a log show it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from tina_kit.api import RunInfo, StageInfo, StepInfo
from tina_kit.pipeline.console import Bar, Lines, plan_words, step_words
from tina_kit.pipeline.progress import Progress
from tina_kit.report.amounts import duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def stage(name: str, seconds: float | None = None, cached: bool = False) -> StageInfo:
    kind = name.partition("/")[0]
    return StageInfo(name, kind, f"key of {name}", 0, cached, seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def begun(clock: Clock) -> Callable[..., Progress]:
    def begun(*stages: StageInfo) -> Progress:
        progress = Progress(clock)
        progress.run_started(stages)
        progress.stage_started(stages[0])
        return progress

    return begun


def test_the_time_left_is_the_sum_over_the_plan(clock: Clock, begun) -> None:
    progress = begun(stage("generic", 100.0), stage("zoo/id 1/1", 50.0), stage("x", 9.0, True))
    clock.now = 30.0
    assert progress.left() == (120.0, True)
    assert progress.fraction() == pytest.approx(30 / 150)
    assert plan_words(progress) == "stage 1 of 2, 2 min 00 s left"


def test_what_is_not_known_is_not_shown(clock: Clock, begun) -> None:
    progress = begun(stage("images"), stage("fit/tina-dit"), stage("evaluate/tina-dit"))
    assert plan_words(progress) == "stage 1 of 3"
    progress = begun(stage("images"), stage("fit/tina-dit", 600.0), stage("evaluate/tina-dit"))
    assert plan_words(progress) == "stage 1 of 3, more than 10 min 00 s left"


def test_shards_and_seeds_take_as_long_as_those_that_are_done(clock: Clock, begun) -> None:
    shards = [stage(f"zoo/id {number}/3 [wide net]") for number in (1, 2, 3)]
    progress = begun(*shards, stage("zoo/id 1/3"))
    progress.stage_ended(shards[0], 7.0)
    assert progress.left() == (14.0, False)  # the other network takes another time


def test_steps_tell_how_long_a_training_takes(clock: Clock, begun) -> None:
    """From those that this process has done, as when it resumes."""
    generic = stage("generic", 1000.0)
    progress = begun(generic)
    progress.stepped(StepInfo("generic", 50, 100, training=0))
    clock.now = 10.0
    progress.stepped(StepInfo("generic", 60, 100, training=0, loss=1.5))
    assert progress.left() == (40.0, True)
    progress.stepped(StepInfo("generic", 61, 100, training=0))
    assert step_words(progress.latest) == "61/100, loss 1.5, 1.1/s"
    progress.stage_ended(generic, 50.0)  # of which the first half is missing
    progress.run_started([stage("generic")])
    assert plan_words(progress) == "stage 1 of 1"


def test_the_rate_of_the_first_steps_is_not_taken(clock: Clock, begun) -> None:
    progress = begun(stage("generic"))
    progress.stepped(StepInfo("generic", 0, 100))
    clock.now = 0.5
    progress.stepped(StepInfo("generic", 50, 100))
    assert progress.latest.rate is None and plan_words(progress) == "stage 1 of 1"


def test_a_stage_that_takes_longer_than_usual_has_no_negative_time(clock: Clock, begun) -> None:
    progress = begun(stage("fit/a", 10.0), stage("fit/b", 20.0))
    clock.now = 100.0
    assert progress.left() == (20.0, True)
    assert 0 < progress.fraction() < 1


LONG = "evaluate/tina-rows table3 tina-rows, OOD [no classifier augmentation]"


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_a_terminal_shows_the_plan_and_the_stage_in_whole_words(columns: int) -> None:
    bar, console = Bar(), Console(width=columns, force_terminal=True, color_system=None)
    bar.progress.run_started([stage(LONG), stage("fit/tina", 7260.0)])
    bar.progress.stage_started(stage(LONG))
    bar.progress.stepped(StepInfo(LONG, 12000, 30000, training=0, loss=0.25))
    with console.capture() as captured:
        console.print(bar._drawn())
    plan, *below = captured.get().splitlines()
    assert len(plan) == columns
    assert plan.endswith("stage 1 of 2, more than 2 h 01 min left")
    assert max(map(len, below)) <= columns
    words = f"{LONG}: 12000/30000, loss 0.25".split()
    assert " ".join(below).split() == words


def test_a_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    now = Clock()
    lines = Lines()
    lines.progress = Progress(now)
    monkeypatch.setattr("tina_kit.pipeline.console.time.monotonic", now)
    stages = [stage("generic", 100.0), stage("fit/a", 60.0)]
    lines.run_started(RunInfo("tiny", Path(), {}, stages))
    lines.stage_started(stages[0])
    for second in range(50):
        now.now = float(second)
        lines.step(StepInfo("generic", second, 100, training=0, loss=2.0))
    assert capsys.readouterr().err.splitlines() == [
        "generic: 20/100, loss 2, 1.0/s; stage 1 of 2, 2 min 20 s left",
        "generic: 40/100, loss 2, 1.0/s; stage 1 of 2, 2 min 00 s left",
    ]


def test_durations() -> None:
    said = [duration(seconds) for seconds in (0.04, 59.0, 61.0, 3599.0, 3660.0, 90000.0)]
    assert said == ["0.0 s", "59.0 s", "1 min 01 s", "59 min 59 s", "1 h 01 min", "25 h 00 min"]


def infos(plan, folder: Path) -> Sequence[StageInfo]:
    from tina_kit.pipeline.run import Run

    return Run.start(plan, folder).info().stages


def test_times_come_from_what_the_store_has_measured(plan, recipe: Path, tmp_path: Path) -> None:
    """Of the same work with another seed and other tasks, on this hardware."""
    from tina_kit.pipeline.run import Run

    assert all(each.seconds is None for each in infos(plan(), tmp_path / "runs"))
    Run.start(plan(), tmp_path / "runs").execute()
    other = {each.name: each for each in infos(plan(seeds=[1]), tmp_path / "runs")}
    assert other["images"].cached and other["images"].seconds is None
    computed = [each for each in other.values() if not each.cached]
    assert len(computed) > 5 and all(each.seconds is not None for each in computed)
    changed = infos(plan(sets=["generic.learning_rate=0.02"]), tmp_path / "runs")
    assert {each.seconds for each in changed if not each.cached} == {None}
    for entry in (tmp_path / "store" / "generic").glob("*/entry.json"):
        facts = json.loads(entry.read_text())
        facts["made_by"]["hardware"]["threads"] = 64
        entry.write_text(json.dumps(facts))
    slower = {each.name: each for each in infos(plan(seeds=[1]), tmp_path / "runs")}
    assert slower["generic"].seconds is None and slower["fit/tina-dit"].seconds is not None
