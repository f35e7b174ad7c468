"""Ctrl-C before a command has begun, and where Python would lose it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tina_kit.cli import interrupt, main
from tina_kit.cli.app import invoke

PRESSED = "interrupted; what is finished is kept, run again to go on\n"


def press(*_: object) -> None:
    raise KeyboardInterrupt


def wrap_it() -> None:
    try:
        press()
    except KeyboardInterrupt as error:
        raise RuntimeError("Error calling __set_name__") from error


def fail_after_it() -> None:
    try:
        press()
    finally:
        raise ImportError("cannot load module more than once per process")


@pytest.mark.parametrize("come", [press, wrap_it, fail_after_it])
def test_it_is_one_line_wherever_it_comes_from(
    come: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tina_kit.cli.inspect.registry", lambda *_: come())
    assert invoke(["list"]) == 130
    assert capsys.readouterr().err == PRESSED


def test_while_the_command_line_is_imported_it_is_one_line() -> None:
    script = """
import sys

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "tina_kit.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from tina_kit.cli import main
main(["version"])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (130, PRESSED)


def test_an_error_of_the_import_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tina_kit.cli.app.invoke", lambda _: 1 / 0)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    with pytest.raises(ZeroDivisionError):
        main(["version"])


LOSING = """
import time, weakref
from tina_kit.cli import app, main

class Thing:
    pass

def press(_):
    raise KeyboardInterrupt

def lose_it(_):
    thing = Thing()
    guard = weakref.ref(thing, press)
    del thing
    return 0
"""


def test_what_python_ignores_comes_again() -> None:
    script = """
app.invoke = lambda words: lose_it(words) or [time.sleep(0.01) for _ in range(500)]
main(["version"])
"""
    run = subprocess.run([sys.executable, "-c", LOSING + script], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (130, PRESSED)


def test_it_does_not_come_again_once_the_command_is_done() -> None:
    script = """
app.invoke = lose_it
try:
    main(["version"])
finally:
    time.sleep(1)
"""
    run = subprocess.run([sys.executable, "-c", LOSING + script], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_other_ignored_errors_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "__unraisablehook__", told.append)
    lost = type("Lost", (), {"exc_type": ValueError})
    interrupt.again_where_ignored(lost)
    assert told == [lost]
