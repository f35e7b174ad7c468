"""What `run.json` says is true, however the run ends, and what readers make of it."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline import record as module
from tina_kit.pipeline import results as results_module
from tina_kit.pipeline import run as run_module
from tina_kit.pipeline.new_folder import RESERVE
from tina_kit.pipeline.record import differences, read_record, status_of
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.stages.fit import FitStage
from tina_kit.store import Checkpoint, Entry
from tina_kit.store.process import this_process


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


@pytest.fixture
def again(finished: tuple[Path, Path, Path], tmp_path: Path) -> Run:
    """The finished run once more, begun."""
    from tests.conftest import plan_of

    return Run.start(plan_of(finished[0], finished[1]), tmp_path / "runs")


# How it ends.


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (KeyboardInterrupt(), "SIGINT"),
        (KeyboardInterrupt(signal.SIGTERM), "SIGTERM"),
        (KeyboardInterrupt(signal.SIGHUP), "SIGHUP"),
    ],
)
def test_an_interrupted_run_names_the_signal(again: Run, monkeypatch, error, name) -> None:
    """Also where a library has made another error of it."""

    def wrap(*_: object) -> None:
        try:
            raise error
        except KeyboardInterrupt:
            raise RuntimeError("Error calling __set_name__")  # noqa: B904

    monkeypatch.setattr(run_module, "results_of", wrap)
    with pytest.raises(RuntimeError):
        again.execute()
    record = told(again.folder)
    assert (record["status"], record["signal"]) == ("interrupted", name)
    assert "error" not in record and record["ended"]


def test_a_signal_while_the_end_is_written_changes_nothing(again: Run, monkeypatch) -> None:
    """Neither of a run that is done nor of one that was interrupted before."""
    monkeypatch.setattr(run_module, "write_json", signalled(run_module.write_json))
    again.execute()
    assert told(again.folder)["status"] == "done"

    monkeypatch.setattr(run_module, "results_of", lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        again.execute()
    assert told(again.folder)["status"] == "interrupted"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def signalled(write: Callable[..., None]) -> Callable[..., None]:
    def wrapped(path: Path, value: dict[str, Any]) -> None:
        if value.get("status", "running") != "running":
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
        write(path, value)

    return wrapped


def test_what_comes_after_a_run_is_done_does_not_undo_it(again: Run, monkeypatch) -> None:
    end = Run._end

    def interrupted(run: Run, status: str) -> None:
        end(run, status)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        again.execute()
    assert told(again.folder)["status"] == "done"


@pytest.mark.parametrize("name", ["results.json", "report.md", "events.jsonl"])
def test_a_full_disk_at_the_end_is_told_and_recorded(again: Run, monkeypatch, name: str) -> None:
    """The space that the record needs was kept."""
    disk_fills_up_at(name, again, monkeypatch)
    with pytest.raises(TinaKitError, match=r"no space left on this disk.*--output"):
        again.execute()
    record = told(again.folder)
    assert record["status"] == "failed" and "no space left on this disk" in record["error"]
    assert (again.results is not None) == (name != "events.jsonl")  # for the command to print


def test_a_run_whose_last_line_just_fits_is_done(again: Run, monkeypatch) -> None:
    disk_fills_up_at("run.json", again, monkeypatch)
    again.execute()
    assert told(again.folder)["status"] == "done"
    assert not list(again.folder.glob(".*"))


def disk_fills_up_at(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From this file on nothing can be written, unless the reserve is given up."""
    full = False

    def check(path: Path) -> None:
        nonlocal full
        ending = name != "run.json" or run.results is not None
        full = full or (name in Path(path).name and ending)  # drafts have longer names
        if full and not run.reserve.closed:  # type: ignore[union-attr]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def checked(done: Callable[..., Any]) -> Callable[..., Any]:
        return lambda path, *words, **named: check(path) or done(path, *words, **named)

    for each in (run_module, results_module):
        monkeypatch.setattr(each, "write_json", checked(each.write_json))
    monkeypatch.setattr(Path, "write_text", checked(Path.write_text))
    opened = Path.open

    def open_(path: Path, mode: str = "r", *words: Any, **named: Any) -> Any:
        if mode[0] != "r":
            check(path)
        return opened(path, mode, *words, **named)

    monkeypatch.setattr(Path, "open", open_)


def test_a_real_disk_that_is_full_can_still_be_told(again: Run, tmp_path: Path) -> None:
    """Of the space that a run keeps, nothing is seen and nothing stays."""
    assert os.fstat(again.reserve.fileno()).st_blocks * 512 >= RESERVE  # type: ignore[union-attr]
    assert {path.name for path in again.folder.iterdir()} == {
        *("metrics.csv", "recipe.yaml", "resolved.yaml", "run.json")
    }


# What a reader makes of it.


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({}, "running", "this run has not finished (process {pid} on {host}); wait for it"),
        (
            {"process_started": "1"},
            "killed",
            "this run was killed (process {pid} on {host} is gone); run its recipe again",
        ),
        ({"boot_id": "x", "host": "node7"}, "running", "(process {pid} on node7)"),
        ({"boot_id": "x"}, "killed", "this run was killed"),
        ({"status": "failed"}, "failed", "this run failed; run its recipe again"),
        ({"status": "interrupted"}, "interrupted", "this run was interrupted"),
        ({"pid": None, "host": None}, "running", "this run has not finished"),
    ],
)
def test_an_unfinished_run_is_refused_with_its_reason(
    tmp_path: Path, change: dict[str, object], status: str, message: str
) -> None:
    record = {"status": "running", **this_process(), **change}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert status_of(record) == status
    with pytest.raises(UserError) as caught:
        read_record(tmp_path)
    assert message.format(**record) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": {}}', "\udcff"])
def test_what_is_no_record_is_no_run_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(UserError, match=r"not a run folder|this run ended as"):
        read_record(tmp_path)


# What earlier runs have left.


def test_a_run_folder_is_whole_when_it_is_seen(plan, tmp_path: Path, monkeypatch) -> None:
    runs = tmp_path / "runs" / "tiny"

    def look(run: Run, status: str) -> None:
        assert [path.name[0] for path in runs.iterdir()] == ["."]
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_write", look)
    with pytest.raises(KeyboardInterrupt):
        Run.start(plan(), tmp_path / "runs")
    assert list(runs.iterdir()) == []


def test_drafts_of_runs_that_were_killed_go_with_the_next_run(again: Run, tmp_path: Path) -> None:
    gone = f"{this_process_mark().partition('-')[0]}-{1 << 22}"
    drafts = [again.folder / f".run.json.{gone}", again.folder.parent / f".1-2.{gone}"]
    for draft in drafts:
        draft.mkdir()
        (draft / "run.json").write_text("{")
    kept = again.folder / f".run.json.{this_process_mark()}"
    kept.mkdir()
    Run.start(again.plan, tmp_path / "runs")
    assert not any(draft.exists() for draft in drafts) and kept.exists()


def this_process_mark() -> str:
    from tina_kit.store.process import mark

    return mark()


# Digits depend on the number of threads.


def test_resuming_with_another_number_of_threads_is_said_and_recorded(
    plan, tmp_path: Path, monkeypatch, caplog
) -> None:
    save, hardware = Checkpoint.save, module._hardware

    def save_and_stop(checkpoint: Checkpoint, *words: object) -> None:
        save(checkpoint, *words)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr(module, "_hardware", lambda device: {**hardware(device), "threads": 7})
        first.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            Run.start(plan(), tmp_path / "runs").execute()

    run = Run.start(plan(), tmp_path / "runs")
    run.execute()
    threads = torch.get_num_threads()
    assert told(run.folder)["hardware"]["threads"] == threads
    how = f"computed with 7 threads (OMP_NUM_THREADS=7), not {threads}. The last digits may differ "
    assert [line.split(how)[0] for line in caplog.messages] == [
        "this run continues from stages ",
        "generic continues from a checkpoint ",
    ]
    [generic] = (tmp_path / "store" / "generic").iterdir()
    facts = Entry(generic).json("entry.json")
    assert facts["begun_by"]["hardware"]["threads"] == 7
    assert facts["made_by"]["hardware"]["threads"] == threads

    caplog.clear()  # nothing is left to compute
    Run.start(plan(), tmp_path / "runs").execute()
    assert not caplog.messages


def test_nothing_is_said_where_nothing_differs(plan, tmp_path: Path, monkeypatch, caplog) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as first:
        first.setattr(FitStage, "compute", stop)
        with pytest.raises(KeyboardInterrupt):
            Run.start(plan(), tmp_path / "runs").execute()
    Run.start(plan(), tmp_path / "runs").execute()
    assert not caplog.messages


def test_what_the_last_digits_depend_on_is_compared() -> None:
    before = {
        "device": "cuda",
        "hardware": {"threads": 4, "cpu": "a", "gpu": "g"},
        "versions": {"torch": "2.11", "numpy": "1"},
    }
    now = {
        "device": "cpu",
        "hardware": {"threads": 4, "cpu": "b"},
        "versions": {"torch": "2.12", "numpy": "2"},
    }
    assert differences(before, now) == ["device cuda, not cpu", "a, not b", "torch 2.11, not 2.12"]
    one, two = ({"hardware": {"threads": number}} for number in (1, 2))
    assert differences(one, two) == ["1 thread (OMP_NUM_THREADS=1), not 2"]
    assert differences(two, one) == ["2 threads (OMP_NUM_THREADS=2), not 1"]
    assert differences(before, before) == differences({}, now) == differences(now, {}) == []


@pytest.mark.parametrize(
    "text",
    ["", "[", "5", "{}", '{"status": "done"}', '{"status": "done", "store": 5}', "[" * 100_000],
)
def test_what_is_no_record_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match="not a run folder"):
        read_record(tmp_path)


def test_a_record_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(UserError, match="not a run folder"):
        read_record(tmp_path)
