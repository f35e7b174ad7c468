"""Ctrl-C, SIGTERM and SIGHUP: one line and their exit code, whenever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tina_kit.cli import interrupt
from tina_kit.cli.app import invoke

PRESSED = "Interrupted. Finished stages are kept; run the same command to resume.\n"
ENDED = {
    signal.SIGINT: (130, PRESSED),
    signal.SIGTERM: (143, PRESSED.replace("ed.", "ed by SIGTERM.", 1)),
    signal.SIGHUP: (129, PRESSED.replace("ed.", "ed by SIGHUP.", 1)),
    signal.SIGUSR1: (128 + signal.SIGUSR1, PRESSED.replace("ed.", "ed by SIGUSR1.", 1)),
}


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


def exit_after_it() -> None:
    try:
        press()
    except KeyboardInterrupt:
        sys.exit(1)


@pytest.mark.parametrize("come", [press, wrap_it, fail_after_it, exit_after_it])
def test_it_is_one_line_wherever_it_comes_from(
    come: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tina_kit.cli.list.registry", lambda *_: come())
    assert invoke(["list"]) == 130
    assert capsys.readouterr().err == PRESSED


def ended(script: str) -> tuple[int, str]:
    """Exit code and stderr of a process that runs the script after SENDING."""
    run = subprocess.run([sys.executable, "-c", SENDING + script], capture_output=True, text=True)
    return run.returncode, run.stderr


SENDING = """
import os, signal, sys, time, weakref

def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)

class While:
    "Sends a signal when a module is looked for, and then does what `after` says."
    def __init__(self, module, number, after="pass"):
        self.module, self.number, self.after = module, number, after

    def find_spec(self, name, path=None, target=None):
        if name == self.module:
            try:
                send(self.number)
            finally:
                exec(self.after)

class Thing:
    pass

def lose(number):
    "Send it in a callback, where Python can only ignore it."
    thing = Thing()
    guard = weakref.ref(thing, lambda _: send(number))
    del thing
    return 0

from tina_kit.cli import main
"""


@pytest.mark.parametrize("number", ENDED)
@pytest.mark.parametrize("module", ["tina_kit.cli.app", "typer", "tina_kit.plugins"])
def test_while_the_command_line_is_imported_it_is_one_line(
    module: str, number: signal.Signals
) -> None:
    script = f"sys.meta_path.insert(0, While({module!r}, {number:d}))\nmain(['list'])"
    assert ended(script) == ENDED[number]


def test_an_import_that_fails_after_it_is_one_line_too() -> None:
    come = "While('tina_kit.cli.app', 15, 'raise ImportError(1)')"
    assert ended(f"sys.meta_path.insert(0, {come})\nmain(['list'])") == ENDED[signal.SIGTERM]


def test_an_error_of_the_import_is_not_taken_for_it() -> None:
    script = "import tina_kit.cli.app as app\napp.invoke = lambda _: 1 / 0\nmain(['version'])"
    code, told = ended(script)
    assert code == 1 and told.endswith("ZeroDivisionError: division by zero\n")


COMMAND = "import tina_kit.cli.app as app\napp.invoke = lambda _: {}\nmain(['version'])\n"


@pytest.mark.parametrize("number", ENDED)
def test_what_python_ignores_comes_again(number: signal.Signals) -> None:
    waiting = "[time.sleep(0.01) for _ in range(500)]"
    assert ended(COMMAND.format(f"lose({number:d}) or {waiting}")) == ENDED[number]


@pytest.mark.parametrize("number", ENDED)
def test_one_that_passes_through_text_that_is_run_keeps_its_exit_code(
    number: signal.Signals, tmp_path: Path
) -> None:
    """As of `dataclass` and much that imports; `python -m` would end itself with SIGINT later."""
    script = SENDING + COMMAND.format(f'exec("send({number:d})")')
    (tmp_path / "sending.py").write_text(script)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, "-m", "sending"]
    run = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == ENDED[number]


def test_what_a_library_swallows_comes_again() -> None:
    swallowing = """
def swallow():
    try:
        send(signal.SIGTERM)
    except:
        pass
    for _ in range(1000):
        time.sleep(0.01)
"""
    assert ended(swallowing + COMMAND.format("swallow()")) == ENDED[signal.SIGTERM]


def test_it_does_not_come_again_once_the_command_is_done() -> None:
    script = COMMAND.format("lose(15)").replace("main(['version'])", "")
    script += "try:\n    main(['version'])\nfinally:\n    time.sleep(1)"
    assert ended(script) == (0, "")


@pytest.mark.parametrize("second", ENDED)
def test_a_second_one_changes_nothing(second: signal.Signals) -> None:
    """A terminal, `make` and a scheduler may each send one, while the first is being handled."""
    script = f"""
def clean_up():
    try:
        send(signal.SIGTERM)
    finally:
        send({second:d})
        print("cleaned up", file=sys.stderr)

class AtExit:
    def __del__(self):
        send({second:d})

last = AtExit()
"""
    code, line = ENDED[signal.SIGTERM]
    assert ended(script + COMMAND.format("clean_up()")) == (code, f"cleaned up\n{line}")


def test_a_signal_that_the_parent_has_ignored_stays_ignored() -> None:
    """`nohup tina-kit run` goes on when its terminal closes."""
    script = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + COMMAND.format("send(1) or 0")
    assert ended(script) == (0, "")


def test_other_ignored_errors_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "__unraisablehook__", told.append)
    lost = type("Lost", (), {"exc_type": ValueError})
    interrupt._again_where_ignored(lost)
    assert told == [lost]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_does_not_wait_for_threads_that_read_large_files(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One of 500 GB would take minutes; there is nothing in it."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(500 << 30)
    script = f"""
from threading import Timer
from tina_kit.store import content_of
Timer(0.3, send, [{number:d}]).start()
"""
    start = time.monotonic()
    work = COMMAND.format(f"content_of({{'large': {str(tmp_path / 'large')!r}}})")
    assert ended(script + work) == ENDED[number]
    assert time.monotonic() - start < 20
