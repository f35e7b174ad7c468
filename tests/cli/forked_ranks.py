"""The command line, whose ranks are forked from it and run the code that real ones are given.

Not a test: test_devices.py runs it in a process of its own, which has imported torch.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from tina_kit import cli
from tina_kit.training import launching


class Rank:
    """What `launching` uses of `subprocess.Popen`."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], stdout: int | None, **_: Any
    ) -> None:
        sys.stdout.flush()
        given = (command, env, stdout is not None)
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=given)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("rank", timeout or 0)
        return self.returncode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)


def _run(command: Sequence[str], env: Mapping[str, str], silent: bool) -> None:
    python, option, code, *words = command
    assert (python, option) == (sys.executable, "-c")
    os.setsid()
    if silent:
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [option, *words]
    exec(code, {})


def main(words: list[str]) -> None:
    launching.subprocess = SimpleNamespace(  # type: ignore[assignment]
        Popen=Rank, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
    )
    cli.main(words)
