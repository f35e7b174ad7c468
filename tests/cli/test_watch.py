"""`watch` shows runs that go on, have ended and were killed."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import tina_kit
from tina_kit.cli.app import invoke
from tina_kit.cli.watch import sparkline
from tina_kit.pipeline.logs import COLUMNS, now
from tina_kit.store.process import this_process

STAGES = ("images", "generic", "fit/tina-dit")


def write(folder: Path, status: str = "running", **more: Any) -> Path:
    """The folder of a run that is fitting its generator."""
    folder.mkdir(exist_ok=True)
    record = {"name": "quick", "status": status, "started": now(), "seeds": [0], "stages": []}
    (folder / "run.json").write_text(json.dumps({**record, **this_process(), **more}))
    if not (folder / "events.jsonl").exists():
        tell(folder, "run started", stages=4, cached=1)
        for stage in STAGES[:2]:
            tell(folder, "stage started", stage=stage, key=stage, seed=0)
            tell(folder, "stage ended", stage=stage, key=stage, seed=0, state="computed", seconds=1)
        tell(folder, "stage started", stage=STAGES[2], key=STAGES[2], seed=0)
        rows = [("fit/tina-dit", 0, 5 * k, 100, 1 / k, 1e-3, k, 0, "") for k in range(1, 9)]
        rows[3] = (*rows[3][:-1], 41.5)
        rows[7] = (*rows[7][:-1], 52.25)
        lines = [
            ",".join(map(str, row))
            for row in (COLUMNS, ("generic", 0, 9, 9, 2, 1, 1, 0, ""), *rows)
        ]
        (folder / "metrics.csv").write_text("\n".join(lines) + "\nfit/tina-dit,0,4")
    return folder


def tell(folder: Path, event: str, **facts: Any) -> None:
    with (folder / "events.jsonl").open("a") as file:
        file.write(json.dumps({"time": now(), "event": event, **facts}) + "\n")


def test_a_run_is_printed_in_words(tmp_path: Path) -> None:
    state = tina_kit.watched(write(tmp_path / "run"))
    head, stages, training = str(state).splitlines()
    assert head.startswith("quick: running, ") and head.endswith(f" ({tmp_path / 'run'})")
    assert stages == "stages: 2 of 3 computed, now fit/tina-dit"
    assert training.startswith("fit/tina-dit, seed 0: step 40 of 100, ")
    assert repr(state) == f"<{head}>"


def end(folder: Path) -> None:
    tell(folder, "stage ended", stage=STAGES[2], key=STAGES[2], seed=0, state="computed", seconds=9)
    tell(folder, "run ended", status="done")
    row = {
        "generator": "tina-dit",
        "split": "ood",
        "p_acc": 61.5,
        "ci95": [60, 63],
        "tasks": 9,
        "seeds": 1,
    }
    (folder / "results.json").write_text(json.dumps({"generators": [row], "about": "About."}))
    write(folder, "done", ended=now())


def test_once_prints_how_far_a_run_is(tmp_path: Path, capsys) -> None:
    assert invoke(["watch", str(write(tmp_path / "run")), "--once"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("quick: running, ")
    assert lines[1] == "stages: 2 of 3 computed, now fit/tina-dit"
    assert lines[2] == "fit/tina-dit, seed 0: step 40 of 100, 12.0 s left"
    assert lines[3] == "  loss  █▄▃▂▂▁▁▁  1 to 0.125"
    assert lines[4] == "  p-Acc ▁█  41.5 to 52.2"
    assert lines[-1] == "fit/tina-dit: started" and len(lines) == 5 + 6


def test_stages_of_several_workers_are_counted_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    tell(folder, "stage started", stage="fit/taper", key="fit/taper", seed=0)
    assert tina_kit.watched(folder).stage == "fit/taper"
    tell(folder, "stage ended", stage="fit/taper", key="fit/taper", seed=0, state="computed")
    state = tina_kit.watched(folder)
    assert (state.stage, state.done, state.total) == (STAGES[2], 3, 4)
    tell(folder, "stage started", stage=STAGES[2], key=STAGES[2], seed=0)  # by another worker
    end(folder)
    state = tina_kit.watched(folder)
    assert (state.stage, state.done, state.total) == (None, 4, 4)


def test_a_run_that_was_killed_or_failed_is_said_to_be(tmp_path: Path, capsys) -> None:
    write(tmp_path / "killed", pid=1 << 22)  # above all that Linux gives
    assert invoke(["watch", str(tmp_path / "killed")]) == 0
    assert capsys.readouterr().out.startswith("quick: killed, ")
    write(tmp_path / "failed", "failed", ended=now(), error="training \x1b[31mdiverged")
    assert invoke(["watch", str(tmp_path / "failed")]) == 0
    out = capsys.readouterr().out
    assert "error: training \\u001b[31mdiverged" in out


def test_a_finished_run_shows_its_table(finished: tuple[Path, Path, Path], capsys) -> None:
    assert invoke(["watch", str(finished[2])]) == 0
    out = capsys.readouterr().out
    assert out.startswith("tiny: done, ") and "stages: 11 of 11 computed" in out
    assert "classifier-selection" in out and "p-Acc in percent" in out
    assert tina_kit.watched(finished[2]).table is not None


def test_without_a_terminal_each_event_is_printed_once_until_the_end(
    tmp_path: Path, capsys
) -> None:
    folder = write(tmp_path / "run")
    thread = Thread(target=lambda: (time.sleep(0.7), end(folder)))
    thread.start()
    assert invoke(["watch", str(folder)]) == 0
    thread.join()
    out = capsys.readouterr().out
    assert all(out.count(f"{stage}: started") == 1 for stage in STAGES)
    assert out.count("fit/tina-dit: done in 9.0 s") == 1 and "\nquick: done, " in out
    assert out.rstrip().endswith("About.")


def test_on_a_terminal_it_is_drawn_until_the_run_ends(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tina_kit", "watch", str(folder)],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    os.close(theirs)
    seen = b""
    while b"2 of 3 computed" not in seen:
        seen += os.read(ours, 4096)
    end(folder)
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # how Linux ends the other side
        pass
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert "quick: running" in text and "quick: done" in text and "█▄▃▂▂▁▁▁" in text
    assert "61.5 ± 1.5" in text


@pytest.mark.parametrize("content", [None, "{}", "[", '{"status": "done"}'])
def test_what_is_no_run_is_a_message(content: str | None, tmp_path: Path, capsys) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    assert invoke(["watch", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_long_curve_is_drawn_as_means() -> None:
    assert sparkline([1.0]) == "▁"
    assert len(sparkline([float(x) for x in range(1000)])) == 40
    assert sparkline([0.0, 0.0, 7.0, 7.0], most=2) == "▁█"
