"""The process from which workers on this machine are forked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker

from tina_kit.pipeline.workers.threads import THREADS

# A process that has imported torch is forked in milliseconds; importing it takes seconds. Before
# Python 3.11 that process would import whatever the working directory has under the same name.
METHOD = "forkserver" if sys.platform == "linux" and sys.version_info >= (3, 11) else "spawn"


def import_early(threads: int) -> None:
    """Begin to import in another process what workers need, so that this one can do something else
    meanwhile. threads: of each worker, which torch reads when it is imported."""
    if METHOD != "forkserver":
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload(
        ["tina_kit.pipeline.workers.imports"]
    )
    resource_tracker.ensure_running()  # now, since that unblocks signals
    path = [os.path.abspath(place) for place in sys.path]
    given = {THREADS: str(threads), "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}
    with _environment(given), _interrupts_blocked():
        forkserver.ensure_running()


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started in the block find."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes started in the block do not notice Ctrl-C, which they would answer with a traceback
    while they import; this one does when the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
