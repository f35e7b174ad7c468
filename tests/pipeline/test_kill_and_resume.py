"""A run that is killed in every stage ends with the digits of one that was not."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import RECIPE
from tests.forked import Forked
from tests.pipeline import killed_run
from tina_kit.cli.app import invoke
from tina_kit.pipeline.record import status_of

STAGES = ("images", "conditions", "generic", "zoo", "fit", "evaluate")
pytestmark = pytest.mark.slow  # each run is a process of its own


def start(recipe: Path, folder: Path, kill: str = "", **more: str) -> Forked:
    return Forked(
        ["run", recipe, "--output", folder / "runs", "--set", "finetune.epochs=2"],
        env={**os.environ, "TINA_KIT_STORE": str(folder / "store"), "KILL": kill, **more},
        main=killed_run.main,
    )


def results(folder: Path) -> str:
    newest = sorted((folder / "runs" / "tiny").iterdir())[-1]
    return (newest / "results.json").read_text()


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The results of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    run = start(folder / "tiny.yaml", folder)
    run.communicate()
    assert run.returncode == 0
    return results(folder)


@pytest.mark.timeout(240)
def test_killed_once_in_each_stage_the_results_are_the_same(
    recipe, tmp_path: Path, finished_run: str
) -> None:
    for stage in STAGES:
        run = start(recipe, tmp_path / "killed", kill=stage)
        run.communicate()
        assert run.returncode == -signal.SIGKILL, stage
        # What is in the store is whole; what is half-done lies apart.
        for entry in (tmp_path / "killed" / "store").glob("[!.]*/*"):
            assert (entry / "entry.json").is_file()
    last = start(recipe, tmp_path / "killed")
    log = last.communicate()[1]
    assert last.returncode == 0
    assert results(tmp_path / "killed") == finished_run
    assert "fit/tina-dit: done" not in log and "evaluate/oracle: done" in log


def test_a_killed_training_goes_on_inside_its_stage(recipe, tmp_path: Path) -> None:
    start(recipe, tmp_path, kill="generic").communicate()
    log = start(recipe, tmp_path, kill="zoo").communicate()[1]
    assert "generic: resumes at 3/16" in log
    assert "warning" not in log  # with as many threads as before


@pytest.mark.timeout(240)
def test_a_damaged_checkpoint_of_a_stage_gives_the_same_digits_and_a_word(
    recipe, tmp_path: Path, finished_run: str
) -> None:
    start(recipe, tmp_path, kill="fit").communicate()
    (path,) = (tmp_path / "store" / ".partial" / "fit").rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    run = start(recipe, tmp_path)
    log = run.communicate()[1]
    assert run.returncode == 0
    assert f"warning: discarded checkpoint {path}" in log and "starting from scratch" in log
    assert results(tmp_path) == finished_run


def record(folder: Path) -> dict[str, object]:
    [file] = (folder / "runs").rglob("run.json")
    return json.loads(file.read_text())


@pytest.mark.parametrize(
    ("signals", "code", "line"),
    [
        ("SIGINT", 130, "Interrupted. "),
        ("SIGTERM SIGTERM", 143, "Interrupted by SIGTERM. "),  # the second while it cleans up
        ("SIGHUP SIGTERM", 129, "Interrupted by SIGHUP. "),  # as when a session ends
    ],
)
def test_a_signal_ends_a_run_in_order(
    recipe, tmp_path: Path, signals: str, code: int, line: str
) -> None:
    run = start(recipe, tmp_path, kill="generic", SIGNALS=signals)
    out, err = run.communicate()
    assert run.returncode == code
    assert err.splitlines()[-1].startswith(f"{line}Finished stages are kept")
    assert "Traceback" not in err and not out
    told = record(tmp_path)
    assert (told["status"], told["signal"]) == ("interrupted", signals.split()[0])
    assert told["ended"] and "error" not in told
    assert [stage["name"] for stage in told["stages"]] == ["images", "conditions"]
    left = {path.name for path in (tmp_path / "store" / ".partial").rglob("*") if path.is_file()}
    assert left == {"train-0.safetensors", "begun_by.json"}  # with which it goes on
    assert not list((tmp_path / "runs").rglob(".*"))


def test_a_signal_from_outside_ends_it_too(recipe, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("generic: {epochs: 1}", "generic: {epochs: 100}"))
    run = start(recipe, tmp_path)
    while not (tmp_path / "store" / "images").is_dir():
        time.sleep(0.02)
        assert run.poll() is None
    run.terminate()
    run.communicate()
    assert run.returncode == 143
    assert record(tmp_path)["status"] == "interrupted"


def test_a_killed_run_is_known_to_be_dead(recipe, tmp_path: Path, capsys) -> None:
    run = start(recipe, tmp_path, kill="generic")
    run.communicate()
    told = record(tmp_path)
    assert (told["status"], told["pid"]) == ("running", run.pid)
    assert {"host", "boot_id", "process_started"} <= set(told)
    assert status_of(told) == "killed"
    [file] = (tmp_path / "runs").rglob("run.json")
    words = ["--classes", "red circle, blue star", "-o", str(tmp_path / "p.safetensors")]
    assert invoke(["generate", str(file.parent), *words]) == 2
    assert f"this run was killed (process {run.pid} on " in capsys.readouterr().err
    assert invoke(["zoo", "export", str(file.parent), "-o", str(tmp_path / "zoo")]) == 2
    assert "this run was killed" in capsys.readouterr().err


def test_two_runs_at_once_share_the_work_and_agree(recipe, tmp_path: Path) -> None:
    runs = [start(recipe, tmp_path / "one"), start(recipe, tmp_path / "one")]
    logs = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    folders = list((tmp_path / "one" / "runs" / "tiny").iterdir())
    assert len(folders) == 2
    assert len({(folder / "results.json").read_text() for folder in folders}) == 1
    for stage in ("generic", "zoo/ood 1/1", "fit/tina-dit"):
        assert sum(f"\n{stage}: done in" in log for log in logs) == 1, logs
