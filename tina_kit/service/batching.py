"""The thread that generates: whoever asks at the same time is answered together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.service.lookup import Looked, looked_up
from tina_kit.service.metrics import Metrics
from tina_kit.service.problems import Busy
from tina_kit.training import return_freed_memory
from tina_kit.zoo.pmodel import PModel

TOGETHER = 64
"""Requests of a batch, which bounds how long a later one waits."""
_RETURN = 8 << 20
"""Bytes of p-Models after which freed memory is returned: what was needed to make them lies between
those that are kept, and would take several times their memory."""
_FIRST_S = 0.05  # expected of a request until one was measured


@dataclass(frozen=True)
class Made:
    """A p-Model and its file's content."""

    model: PModel
    content: bytes


@dataclass(frozen=True)
class _Job:
    """names: classes of a p-Model, or to be looked up."""

    generator: ReadyGenerator
    names: Sequence[str]
    look_up: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def finish(self, result: Any) -> None:
        def hand_over() -> None:
            if self.future.done():  # nobody waits any more
                return
            if isinstance(result, BaseException):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)

        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(hand_over)


class Batcher:
    """Generates in one thread, for all generators. most: requests that may wait."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics = most, metrics
        self._waiting: deque[_Job] = deque()
        self._changed = Condition()
        self._ending = False
        self._each_s = _FIRST_S
        self._since = 0  # bytes of p-Models since freed memory was returned
        self._thread = Thread(target=self._run, name="generate", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish what waits. Returns whether that took less than this."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    async def make(self, generator: ReadyGenerator, classes: Sequence[str]) -> Made:
        """Raises Busy if too many wait, and what `generate` raises."""
        made: Made = await self._put(generator, classes, False)
        return made

    async def look_up(self, generator: ReadyGenerator, names: Sequence[str]) -> list[Looked]:
        """Raises Busy."""
        found: list[Looked] = await self._put(generator, names, True)
        return found

    def _put(
        self, generator: ReadyGenerator, names: Sequence[str], look_up: bool
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        job = _Job(generator, names, look_up, loop.create_future(), loop)
        with self._changed:
            if len(self._waiting) >= self._most:
                raise Busy("too many requests are waiting", len(self._waiting) * self._each_s)
            self._waiting.append(job)
            self._metrics.waiting.set(len(self._waiting))
            self._changed.notify()
        return job.future

    def _run(self) -> None:
        while jobs := self._next():
            begun = time.monotonic()
            for job in jobs:
                if job.look_up:
                    job.finish(_outcome(partial(looked_up, job.generator, job.names)))
            asked = [job for job in jobs if not job.look_up]
            if asked:
                self._generate(asked)
            self._each_s += 0.2 * ((time.monotonic() - begun) / len(jobs) - self._each_s)

    def _next(self) -> list[_Job]:
        """Jobs of one generator, those that have waited longest; none at the end."""
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            if not self._waiting:
                return []
            generator = self._waiting[0].generator
            taken: list[_Job] = []
            others: deque[_Job] = deque()
            for job in self._waiting:
                alike = job.generator is generator and len(taken) < TOGETHER
                (taken if alike else others).append(job)
            self._waiting = others
            self._metrics.waiting.set(len(others))
        return taken

    def _generate(self, jobs: Sequence[_Job]) -> None:
        self._metrics.batch.observe(len(jobs))
        answers = _outcome(lambda: jobs[0].generator.answers([job.names for job in jobs]))
        if isinstance(answers, BaseException):
            for job in jobs:
                job.finish(answers)
            return
        for job, answer in zip(jobs, answers):
            made = answer if isinstance(answer, TinaKitError) else _outcome(partial(_made, answer))
            if isinstance(made, Made):
                self._since += len(made.content)
            job.finish(made)
        if self._since >= _RETURN:
            self._since = 0
            return_freed_memory()


def _made(model: PModel) -> Made:
    return Made(model, model.content())


def _outcome(work: Callable[[], Any]) -> Any:
    """What it returns or raises: the thread must not end by anybody's request."""
    try:
        return work()
    except Exception as error:
        return error
