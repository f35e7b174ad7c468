"""`tina-kit serve` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.forked import Forked


@dataclass
class Running:
    """log: the file that its stderr goes to."""

    process: Forked
    log: Path
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logged(self) -> list[dict[str, Any]]:
        """Its log so far, without lines for people."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def service(
    source: Path,
    *words: str,
    seconds: float = 60,
    main: Callable[[list[str]], None] | None = None,
) -> Iterator[Running]:
    """On a bundle or run folder, at a free port. main: in place of the command line's own."""
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.touch()
        command = ["serve", str(source), "--port", "0", *words]
        process = Forked(command, outputs=[os.devnull, log], main=main)
        running = Running(process, log)
        try:
            running.port = _port(running, time.monotonic() + seconds)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _port(running: Running, deadline: float) -> int:
    while running.process.poll() is None and time.monotonic() < deadline:
        if found := re.search(r"Serving at http://[^ ]*:(\d+)", running.log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(running.log.read_text())
