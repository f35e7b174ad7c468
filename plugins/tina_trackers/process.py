"""A tracker in a process of its own, so that a run neither waits for it nor fails with it.

Trackers talk to servers, print, start threads and register what is done at exit; any of it may hang
or end the process. Here that process is another one, which reads JSON lines until they end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

PATIENCE_S = 60.0
"""How long a run that has ended waits for its trackers."""


class Tracker:
    """target: what takes the lines there, as "module:attribute"; facts: about the run, see
    `worker.Target`; lost: is told once why the tracker has not got everything."""

    def __init__(self, target: str, facts: Mapping[str, Any], lost: Callable[[str], None]) -> None:
        self._lost = lost
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._output = TemporaryFile()  # noqa: SIM115  # read where it fails
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tina_trackers.worker", target],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is the run's to handle, which then tells it
        )
        self.tell("facts", facts)
        self._pump = Thread(target=self._send, name=f"to {target}", daemon=True)
        self._pump.start()

    def tell(self, what: str, *arguments: Any) -> None:
        """Returns at once, whatever the tracker does."""
        self._lines.put(json.dumps([what, *arguments], default=str).encode() + b"\n")

    def close(self, status: str) -> None:
        """Wait for a while until the tracker has got everything."""
        self.tell("close", status)
        self._lines.put(None)
        end = time.monotonic() + PATIENCE_S
        self._pump.join(PATIENCE_S)
        try:
            code = self._process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._lost(f"it was still busy {PATIENCE_S:g} s after the run ended")
            return
        if code:
            self._lost(self._reason())

    def _send(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                while (line := self._lines.get()) is not None:
                    pipe.write(line)
                    pipe.flush()
        except OSError:  # it has ended, which `close` reports
            pass

    def _reason(self) -> str:
        """The last line that the process has written."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"its process ended ({self._process.returncode})"
