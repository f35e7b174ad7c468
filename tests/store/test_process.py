"""A process is known again, and that it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tina_kit.store import process
from tina_kit.store.process import has_ended, is_left_over, mark, this_process

DESCRIBE = """
import json, sys
from tina_kit.store.process import mark, this_process
print(json.dumps([this_process(), mark()]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other():
    """Another process, what it says of itself, and its mark."""
    import json

    words = [sys.executable, "-c", DESCRIBE]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield child, *json.loads(child.stdout.readline())
    child.kill()
    child.communicate()


def test_it_says_where_it_is_and_since_when() -> None:
    told = this_process()
    assert {"host", "pid", "boot_id", "pid_namespace", "process_started"} == set(told)
    assert told["pid"] == os.getpid()
    assert has_ended(told) is False and not is_left_over(mark())


def test_a_process_that_was_killed_is_gone(other) -> None:
    child, told, name = other
    assert has_ended(told) is False and not is_left_over(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(told) is True and is_left_over(name)  # even before its parent knows
    child.wait()
    assert has_ended(told) is True and is_left_over(name)


@pytest.mark.parametrize(
    ("change", "ended"),
    [
        ({"process_started": "1"}, True),  # the number was given to another process
        ({"process_started": None}, False),
        ({"boot_id": "another"}, True),  # the machine was started anew
        ({"boot_id": "another", "host": "another"}, None),  # it is another machine
        ({"host": "another"}, False),  # the machine was renamed, or this is its container
        ({"pid_namespace": "pid:[1]"}, None),  # it is in another container
        ({"pid": None}, None),
        ({"pid": 0}, None),
        ({"pid": 1 << 40}, True),
        ({"pid": "3"}, None),
        ({"host": None}, None),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux' /proc")
def test_what_is_known_of_a_process(change: dict[str, object], ended: bool | None) -> None:
    assert has_ended({**this_process(), **change}) is ended


def test_a_run_of_an_older_version_says_nothing() -> None:
    assert has_ended({"status": "running"}) is None


def test_without_proc_the_start_is_asked_of_ps(other, monkeypatch: pytest.MonkeyPatch) -> None:
    child, _, _ = other
    monkeypatch.setattr(process, "Path", lambda _: Path("/nonexistent"))
    asked = []
    monkeypatch.setattr(process, "_printed", lambda *words: asked.append(words) or "Thu")
    assert process._seen(child.pid) == (True, "Thu")
    assert asked == [("ps", "-o", "lstart=", "-p", str(child.pid))]


@pytest.mark.parametrize("name", ["", "x", "1234", "abc-1", "00000000-1", "-", "{}x"])
def test_other_names_are_no_marks(name: str) -> None:
    assert not is_left_over(name.format(mark()))
