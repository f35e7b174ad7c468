"""A plugin can bring observers, and they cost a run nothing."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.plugins.installed import PART, install
from tina_kit.api import Observer, StageInfo, StepInfo
from tina_kit.training import Observers

OBSERVER = (
    PART
    + """
from tina_kit.api import Observer

class Diary(Observer):
    def __init__(self, run):
        self.path = run.folder / "diary.txt"

    def stage_ended(self, stage, seconds):
        with self.path.open("a") as file:
            file.write(stage.name + "\\n")

    def result(self, results):
        BODY

@hookimpl
def tina_kit_observers(run):
    HOOK
"""
)


def run(site: Path, recipe: Path, folder: Path, body: str, hook: str) -> Forked:
    code = OBSERVER.replace("BODY", body).replace("HOOK", hook)
    install(site, "diary", code)
    words = ["run", recipe, "--output", folder]
    return Forked(words, env={**os.environ, "TINA_KIT_STORE": str(folder / "store")})


def test_an_observer_is_told_of_every_stage(site: Path, recipe: Path, tmp_path: Path) -> None:
    done = run(site, recipe, tmp_path / "runs", "pass", "return [Diary(run)]")
    assert done.wait() == 0, done.communicate()
    [diary] = (tmp_path / "runs").rglob("diary.txt")
    record = json.loads((diary.parent / "run.json").read_text())
    assert diary.read_text().split("\n")[:-1] == [stage["name"] for stage in record["stages"]]


@pytest.mark.parametrize(
    ("body", "hook", "told"),
    [
        (
            "raise RuntimeError('no network')",
            "return [Diary(run)]",
            "failed in result and was disab",
        ),
        ("pass", "return ['diary']", "returned 'diary', which is not an Observer (FILE:27)"),
        (
            "pass\n    def step(self): pass",
            "return [Diary(run)]",
            "plugin diary of diary: Diary.step must take (self, step), not (self) (FILE:26)",
        ),
        ("pass", "raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_one_that_fails_is_reported_and_the_run_goes_on(
    site: Path, finished, tmp_path: Path, body: str, hook: str, told: str
) -> None:
    recipe, store, _ = finished
    shutil.copytree(store, tmp_path / "runs" / "store")  # so that nothing is computed again
    done = run(site, recipe, tmp_path / "runs", body, hook)
    out, err = done.communicate()
    assert done.returncode == 0 and "oracle" in out
    told = told.replace("FILE", str(site / "diary.py"))
    assert told in err and "Traceback" not in err
    [record] = (tmp_path / "runs").rglob("run.json")
    assert json.loads(record.read_text())["status"] == "done"


def test_one_that_fails_is_switched_off_and_the_others_stay() -> None:
    told: list[str] = []

    class Fails(Observer):
        def step(self, step: StepInfo) -> None:
            raise ValueError("no")

    class Counts(Observer):
        steps = 0

        def step(self, step: StepInfo) -> None:
            Counts.steps += 1

    everybody = Observers([Fails(), Counts()], told.append)
    for done in range(3):
        everybody.step(StepInfo("fit/x", done, 3))
    assert Counts.steps == 3 and len(told) == 1
    assert "Fails failed in step and was disabled: ValueError: no" in told[0]


def test_an_error_in_the_runs_own_records_is_the_runs_error() -> None:
    class Own(Observer):
        def stage_started(self, stage: StageInfo) -> None:
            raise OSError("disk full")

    everybody = Observers()
    everybody.add(Own())
    with pytest.raises(OSError, match="disk full"):
        everybody.stage_started(StageInfo("zoo/id 1/1", "zoo", "0", 0, False))


def test_metrics_hold_the_losses_of_every_training(finished) -> None:
    folder = finished[2]
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"generic", "zoo/id 1/2", "fit/tina-dit"} <= {row["stage"] for row in rows}
    fit = [row for row in rows if row["stage"] == "fit/tina-dit"]
    assert [int(row["step"]) for row in fit] == list(range(1, 11))
    assert all(float(row["loss"]) > 0 and float(row["seconds"]) >= 0 for row in fit)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "run started" and events[-1] == {
        "time": events[-1]["time"],
        "event": "run ended",
        "status": "done",
    }
    assert any(event["event"] == "checkpoint" for event in events)
