"""Runs of the command line in processes of their own, forked from one that has imported torch.

They differ from real ones only in that imports take no time; tests of starting, of encodings and
of what a run imports start real ones.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.preloaded"])


def spawned(work: Callable[..., None], *arguments: Any) -> Any:
    """A started process that calls `work`, a function of a module."""
    process = _SERVER.Process(target=work, args=arguments)
    process.start()
    return process


class Forked:
    """What `subprocess.Popen` of `tina-kit WORDS` offers, with both outputs as text.

    main: called with the words in place of the command line's own; a function of a module.
    outputs: where stdout and stderr go, such as a terminal, in place of what `communicate` reads.
    """

    def __init__(
        self,
        words: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        main: Callable[[list[str]], None] | None = None,
        outputs: Sequence[str | Path] = (),
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forked-")
        own = [f"{self._folder.name}/{name}" for name in ("stdout", "stderr")]
        self._outputs = [Path(place) for place in outputs or own]
        place, environment = str(cwd or Path.cwd()), dict(env or os.environ)
        given = ([str(word) for word in words], self._outputs, place, environment, main)
        self._process = _SERVER.Process(target=_run, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Negative for a signal, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float | None = None) -> int | None:
        self._process.join(seconds)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("tina-kit", seconds or 0.0)
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """stdout and stderr of the whole run."""
        self.wait()
        out, err = (path.read_text(encoding="utf-8") for path in self._outputs)
        return out, err


def completed(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A whole run of `tina-kit WORDS`."""
    running = Forked(words, env={**os.environ, **environment})
    out, err = running.communicate()
    assert running.returncode is not None
    return subprocess.CompletedProcess(words, running.returncode, out, err)


def _run(
    words: list[str],
    outputs: list[Path],
    cwd: str,
    env: dict[str, str],
    main: Callable[[list[str]], None] | None,
) -> None:
    from tina_kit import cli

    for number, path in enumerate(outputs, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    # Python reads it once, when it starts.
    places = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [place for place in places if place and place not in sys.path]
    sys.argv = ["tina-kit", *words]
    (main or cli.main)(words)
