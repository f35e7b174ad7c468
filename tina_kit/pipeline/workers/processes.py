"""Workers on this machine: a process each, which divide its threads and GPUs among them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from threading import Thread
from typing import TYPE_CHECKING

from tina_kit.api.errors import TinaKitError
from tina_kit.api.interruption import SIGNALS
from tina_kit.pipeline.workers.early import METHOD, import_early
from tina_kit.pipeline.workers.threads import THREADS

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from tina_kit.pipeline.stage import Stage
    from tina_kit.pipeline.workers.executor import Event, Outcome
    from tina_kit.pipeline.workers.job import Job

GRACE_S = 5.0  # for workers to clean up when a run is interrupted
_VISIBLE = "CUDA_VISIBLE_DEVICES"
AGAIN_S = 0.1  # until a worker is started again


class Processes:
    """An executor with `count` workers, which start when the first stage is to be computed.

    gpus: of this machine, where the run is to use them all.
    """

    in_order = False

    def __init__(self, job: Job, count: int, gpus: int = 0) -> None:
        self.slots = count
        self._job, self._gpus = job, _visible(gpus)
        self._free: list[_Process] = []
        self._busy: dict[Future[Outcome], _Process] = {}
        self._events: list[Event] = []

    def submit(self, stage: Stage) -> Future[Outcome]:
        if not self._busy and not self._free:
            self._free = [self._started(number) for number in reversed(range(self.slots))]
        for future in [future for future in self._busy if future.done()]:
            process = self._busy.pop(future)
            if process.lost:
                self._events += process.end()
                process = self._started(process.number)
            self._free.append(process)
        process = self._free.pop()
        future = process.submit(stage.kind, stage.key)
        self._busy[future] = process
        return future

    def events(self) -> Iterable[Event]:
        found, self._events = self._events, []
        for process in [*self._busy.values(), *self._free]:
            found += process.events()
        return found

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        processes = [*self._busy.values(), *self._free]
        for process in processes:
            process.stop()
        for process in processes:
            process.end()

    def _started(self, number: int, attempts: int = 3) -> _Process:
        gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
        import_early(self._job.threads)
        try:
            return _Process(number, self._job, gpu)
        except (EOFError, ConnectionError) as error:  # what it is forked from has just been killed
            if attempts == 1:
                raise TinaKitError(f"workers cannot be started: {error!r}") from error
            time.sleep(AGAIN_S)
            return self._started(number, attempts - 1)


class _Process:
    """One worker: a pool of a single process, so that its death ends no other one."""

    def __init__(self, number: int, job: Job, gpu: str | None) -> None:
        context = multiprocessing.get_context(METHOD)
        self.number = number
        self._events, there = context.Pipe(duplex=False)
        given = job, there, gpu, dict(os.environ)
        self._pool = ProcessPoolExecutor(1, context, _begin, given)
        before = set(multiprocessing.active_children())
        self._pool.submit(_prepare)  # which starts the process
        self._process: BaseProcess | None = next(
            iter({*multiprocessing.active_children()} - before), None
        )
        there.close()  # so that the end of the process ends the pipe
        self._future: Future[Outcome] | None = None

    def submit(self, kind: str, key: str) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            self._pool.submit(_compute, kind, key).add_done_callback(
                lambda done: _hand_over(done, future)
            )
        except BrokenProcessPool as error:
            future.set_exception(_lost(error))
        self._future = future
        return future

    @property
    def lost(self) -> bool:
        future = self._future
        return future is not None and future.done() and future.exception() is not None

    def events(self) -> list[Event]:
        found: list[Event] = []
        with suppress(EOFError, OSError):
            while self._events.poll():
                found.append(self._events.recv())
        return found

    def stop(self) -> None:
        """Ask it to end, whatever it is doing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._process is not None:
            self._process.terminate()

    def end(self) -> list[Event]:
        """Wait until it has ended; returns what it has told meanwhile."""
        self.stop()
        if self._process is not None:
            self._process.join(GRACE_S)
            self._process.kill()
        found = self.events()
        self._events.close()
        return found


def _hand_over(done: Future[Outcome], future: Future[Outcome]) -> None:
    """In a thread of the pool."""
    from tina_kit.pipeline.workers.executor import WorkerLost

    error = WorkerLost("it was cancelled") if done.cancelled() else done.exception()
    if error is None:
        future.set_result(done.result())
    elif isinstance(error, (BrokenProcessPool, KeyboardInterrupt)):
        future.set_exception(_lost(error))
    else:
        future.set_exception(error)


def _lost(error: BaseException) -> Exception:
    from tina_kit.pipeline.workers.executor import WorkerLost

    return WorkerLost(
        "by a signal" if isinstance(error, KeyboardInterrupt) else "its process is gone"
    )


def _visible(gpus: int) -> list[str]:
    """How each GPU that this process may use is named in its environment."""
    named = [name for name in os.environ.get(_VISIBLE, "").split(",") if name]
    return (named or [str(number) for number in range(gpus)])[:gpus]


# In the worker.

_job: Job
_there: Connection
_computing = False


def _begin(job: Job, there: Connection, gpu: str | None, environment: Mapping[str, str]) -> None:
    """Before torch is used. environment: of the leading process, as it is now."""
    global _job, _there
    for number in SIGNALS:  # the leading process decides what they mean
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate)
    os.environ.clear()
    os.environ.update(environment)
    os.environ[THREADS] = str(job.threads)
    if gpu is not None:
        os.environ[_VISIBLE] = gpu
    _job, _there = job, there
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _terminate(number: int, _: object) -> None:
    """As Ctrl-C in a run, so that what is being written is removed."""
    if _computing:
        raise KeyboardInterrupt(signal.Signals(number))
    os._exit(128 + number)


def _prepare() -> None:
    """While the first stages are computed elsewhere. An error comes again with the first stage."""
    from tina_kit.pipeline.workers.worker import prepared

    with suppress(Exception):
        prepared(_job, lambda event: None)


def _compute(kind: str, key: str) -> Outcome:
    global _computing
    from tina_kit.pipeline.workers.worker import compute

    _computing = True
    try:
        return compute(_job, kind, key, _there.send)
    finally:
        _computing = False
