"""Trackers are told what `metrics.csv` holds, and losing one costs a run nothing but a warning."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tina_trackers
from tina_trackers import observer, process
from tina_trackers.observer import Tracked

from tests.trackers import read_back
from tina_kit.api import Observer, RunInfo, StageInfo, StepInfo, UserError
from tina_kit.pipeline.logs import MetricsLog
from tina_kit.plugins.discovery import add
from tina_kit.plugins.plugin import Plugin
from tina_kit.plugins.registry import Registry
from tina_kit.plugins.trackers import ENVIRONMENT, trackers

RECIPE = {
    "name": "tiny",
    "seeds": [0, 1],
    "generators": [{"name": "tina-dit", "use": "tina-dit", "depth": 2}],
    "evaluation": {"on": "validation"},
}
FAKES = "tests.trackers.fakes"
ROWS = [{"generator": "tina-dit", "split": "ood", "p_acc": 61.5}]


def run_in(folder: Path) -> RunInfo:
    return RunInfo("tiny", folder, RECIPE, [])


def tell(*observers: Observer, points: int = 25) -> None:
    """A run of two seeds whose stage has two trainings."""
    for seed in (0, 1):
        stage = StageInfo("fit/tina-dit [2 layers]", "fit", f"{seed}", seed, False)
        for each in observers:
            for training in (0, 1):
                each.step(StepInfo(stage.name, 0, points, training, stage=stage))
                for step in range(1, points + 1):
                    loss, p_acc = 1 / (step + seed + 3 * training), None
                    if step % 5 == 0:
                        p_acc = 10.0 + step + seed
                    losses = (loss, 1e-3, p_acc)
                    each.step(StepInfo(stage.name, step, points, training, *losses, stage))
            each.stage_ended(stage, 1.0)
    for each in observers:
        each.result({"generators": ROWS})
        each.run_ended("done")


@pytest.mark.slow  # each library takes seconds to start
@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb", "trackio"])
def test_a_tracker_shows_the_curves_of_metrics_csv(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip(name)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for key, value in {
        "MLFLOW_TRACKING_URI": uri,
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "HF_HUB_OFFLINE": "1",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(key, value)
    tell(MetricsLog(tmp_path), getattr(observer, name)(run_in(tmp_path)))
    assert not caplog.records
    read: dict[str, Callable[[], read_back.Curves]] = {
        "tensorboard": lambda: read_back.tensorboard(tmp_path),
        "mlflow": lambda: read_back.mlflow(uri, "tiny"),
        "wandb": lambda: read_back.wandb(tmp_path),
        "trackio": lambda: read_back.trackio(tmp_path / "trackio" / "tiny.db"),
    }
    shown, expected = read[name](), read_back.metrics(tmp_path, seeds=True)
    if name == "mlflow":  # whose names have no brackets
        expected = {(x.replace("[", "_").replace("]", "_"), k): v for (x, k), v in expected.items()}
    assert shown.keys() == expected.keys() and len(shown) == 2 * 2 * 3
    for curve, points in expected.items():
        assert shown[curve] == pytest.approx(points, rel=1e-5), curve
    if name == "tensorboard":
        parameters = read_back.tensorboard_parameters(tmp_path)
        assert parameters["generators.tina-dit.depth"] == 2
        assert (parameters["evaluation.on"], parameters["seeds"]) == ("validation", "[0, 1]")


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        ("RaisesAtFirst", "ConnectionError: no server at this address"),
        ("RaisesInCurve", "ValueError: the server is gone"),
        ("RaisesInResults", "KeyError: 'results'"),
        ("RaisesAtTheEnd", "SystemExit: no more disk"),
        ("Hangs", "it was still busy 1 s after the run ended"),
        ("HangsAtFirst", "it was still busy 1 s after the run ended"),
        ("Dies", "its process ended (9)"),
        ("NoSuchThing", f"AttributeError: module '{FAKES}' has no attribute 'NoSuchThing'"),
    ],
)
def test_a_tracker_that_is_lost_costs_one_warning(
    fake: str, why: str, tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 1.0 if fake.startswith("Hangs") else 20.0)
    tracked = Tracked(run_in(tmp_path), "fake", f"{FAKES}:{fake}", "json")
    began = time.monotonic()
    for step in range(1, 3000):  # more than fits into a pipe
        tracked.step(StepInfo("fit/x", step, 3000, 0, 1.0, 1e-3))
    assert time.monotonic() - began < 0.5  # nothing waits for it
    tracked.result({"generators": ROWS})
    tracked.run_ended("done")
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"tracker fake: {why}. The run goes on without it"


def test_one_that_hangs_a_while_or_prints_loses_nothing(tmp_path: Path, caplog, capfd) -> None:
    tell(Tracked(run_in(tmp_path), "fake", f"{FAKES}:HangsAWhile", "json"), points=3)
    lines = (tmp_path / "told.txt").read_text().splitlines()
    assert lines[0] == "facts ['folder', 'name', 'place', 'run', 'settings']"
    assert lines[1] == "seed 0/fit/tina-dit [2 layers] 1 ['learning_rate', 'loss']"
    assert lines[4] == "seed 0/fit/tina-dit [2 layers] 1 1 ['learning_rate', 'loss']"
    assert lines[-2:] == ["results {'tina-dit/ood/p_acc': 61.5}", "close done"]
    tell(Tracked(run_in(tmp_path), "fake", f"{FAKES}:Prints", "json"), points=3)
    assert not caplog.records and capfd.readouterr() == ("", "")


def test_a_package_that_is_not_installed_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def made(run: RunInfo) -> Observer:
        return Tracked(run, "wandb", f"{FAKES}:Writes", "no_such_package")

    monkeypatch.setattr(observer, "wandb", made)
    [wandb] = trackers(registry(), ["wandb"])
    found = wandb.observer(run_in(tmp_path), pytest.fail)  # as a run makes it, its output discarded
    assert found is not None
    found.run_started(run_in(tmp_path))
    tell(found)
    [record] = caplog.records
    assert "the package no_such_package is not installed: pip install 'tina-kit[wandb]'" in (
        record.getMessage()
    )
    assert not (tmp_path / "told.txt").exists()


def test_tensorboard_says_where_its_log_is(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr(observer, "find_spec", lambda package: True)
    monkeypatch.setattr(observer, "Tracker", lambda *facts: None)
    run = run_in(tmp_path / "my runs")
    observer.tensorboard(run).run_started(run)
    told = f"to see the curves: tensorboard --logdir '{tmp_path}/my runs/trackers/tensorboard'\n"
    assert capfd.readouterr() == ("", told)


def test_a_killed_run_is_told_as_killed(tmp_path: Path) -> None:
    tracked = Tracked(run_in(tmp_path), "fake", f"{FAKES}:Writes", "json")
    assert tracked._tracker is not None
    tracked._tracker._lines.put(None)  # as when its process is gone: the pipe ends
    tracked._tracker._process.wait()
    assert (tmp_path / "told.txt").read_text().splitlines()[-1] == "close killed"


def registry() -> Registry:
    made = Registry()
    assert add(made, Plugin("tina-kit", "", "trackers"), lambda: tina_trackers) is None
    return made


def test_trackers_are_asked_for_by_name_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert trackers(registry(), []) == []
    monkeypatch.setenv(ENVIRONMENT, "mlflow, wandb")
    found = trackers(registry(), ["wandb", "tensorboard"])
    assert [each.name for each in found] == ["wandb", "tensorboard", "mlflow"]
    with pytest.raises(UserError, match=r"track: unknown tracker 'tensorbord'; did you mean 'ten"):
        trackers(registry(), ["tensorbord"])
    monkeypatch.setenv(ENVIRONMENT, "nonsense")
    with pytest.raises(UserError, match="TINA_KIT_TRACK: unknown tracker 'nonsense'; available"):
        trackers(registry(), [])


def test_a_tracker_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    told: list[str] = []
    [broken] = trackers(registry(), ["wandb"])
    broken = type(broken)("wandb", "tina_trackers.observer:flat", broken.plugin)
    assert broken.observer(run_in(tmp_path), told.append) is None
    [line] = told
    assert line.startswith("warning: tracker wandb: plugin trackers of tina-kit: ")
