"""What the service does, without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tina_kit.api import UserError
from tina_kit.api.names import tidy
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.pipeline.seen import Familiarity
from tina_kit.pipeline.selection import selection
from tina_kit.service.batching import Batcher
from tina_kit.service.exports import Exports
from tina_kit.service.images import pixels_of
from tina_kit.service.kept import Cache, Kept, request_key
from tina_kit.service.limits import Limits
from tina_kit.service.lookup import Looked
from tina_kit.service.metrics import Metrics
from tina_kit.service.problems import Busy, Problem

LAST_S = 1.0
"""Seconds of `Limits.stop_s` in which threads end, after the requests."""
T = TypeVar("T")
Ranked = list[list[tuple[str, float]]]


@dataclass(frozen=True)
class Answers:
    """For each image its most probable classes, by the p-Model and by classifier selection; None
    where that was not asked for or the run was not trained on all classes."""

    model: Ranked
    selection: Ranked | None


class Service:
    """generators: by the names that they have here; the first is the default."""

    def __init__(self, generators: Mapping[str, ReadyGenerator], limits: Limits) -> None:
        self.generators = dict(generators)
        self.limits, self.metrics = limits, Metrics()
        self.cache = Cache(limits.cache_bytes, self.metrics)
        self._batcher = Batcher(limits.queue, self.metrics)
        self._going: dict[object, asyncio.Task[Any]] = {}  # what several may wait for
        self._predicting = ThreadPoolExecutor(1, "predict")
        self._predictions = 0
        self._reading = False

    def start(self) -> None:
        """In the event loop that is to answer."""
        self._exports = Exports(self.limits)
        self._batcher.start()

    async def stop(self) -> bool:
        """Finish what is there. Returns whether everything has ended."""
        self._predicting.shutdown(wait=False, cancel_futures=True)
        ended = await asyncio.to_thread(self._batcher.stop, LAST_S)
        await self._exports.stop()
        return ended and not self._reading

    def generator(self, name: str | None) -> tuple[str, ReadyGenerator]:
        """Raises Problem if there is none of this name."""
        chosen = next(iter(self.generators)) if name is None else name
        if chosen not in self.generators:
            raise Problem(422, f"unknown generator; choose one of: {', '.join(self.generators)}")
        return chosen, self.generators[chosen]

    async def make(self, name: str | None, classes: Sequence[str], strict: bool) -> Kept:
        """The p-Model for some classes. Raises Problem, and UserError as `generate` does."""
        chosen, generator = self.generator(name)
        classes = [tidy(each) for each in classes]
        key = request_key(chosen, classes)
        kept = self.cache.of_request(key)
        if kept is not None:
            self.metrics.from_cache.inc()
        else:
            kept = await self._once(key, lambda: self._made(key, generator, classes))
        seen = Familiarity.read(kept.model.metadata["seen"])
        if strict and seen.warning:
            raise UserError(f"{seen.warning}. Leave such classes out, or ask without `strict`")
        return kept

    async def _made(self, key: str, generator: ReadyGenerator, classes: Sequence[str]) -> Kept:
        made = await self._batcher.make(generator, classes)
        self.metrics.made.inc()
        return self.cache.put(key, generator, made)

    def _once(self, key: object, work: Callable[[], Coroutine[Any, Any, T]]) -> Awaitable[T]:
        """What it returns, for all who wait for the same."""
        task = self._going.get(key)
        if task is None:
            task = self._going[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda done: self._forget(key, done))
        return asyncio.shield(task)  # whoever asked first may go away while others wait

    def _forget(self, key: object, done: asyncio.Task[Any]) -> None:
        del self._going[key]
        if not done.cancelled():
            done.exception()  # whoever waits for it gets it; perhaps nobody does any more

    async def look_up(self, name: str | None, names: Sequence[str]) -> list[Looked]:
        _, generator = self.generator(name)
        return await self._batcher.look_up(generator, [tidy(each) for each in names])

    def kept(self, number: str) -> Kept:
        """Raises Problem if it is not in the cache."""
        kept = self.cache.get(number)
        if kept is None:
            raise Problem(
                404,
                "there is no p-Model with this id, or it is no longer in the cache; make it again",
            )
        return kept

    async def file(self, kept: Kept, form: str) -> bytes:
        if form == "safetensors":
            return kept.content
        if form in kept.exported:
            return kept.exported[form]
        return await self._once((kept.id, form), lambda: self._exported(kept, form))

    async def _exported(self, kept: Kept, form: str) -> bytes:
        made = kept.exported[form] = await self._exports.export(kept.content, form)
        self.cache.grown(kept)
        return made

    async def predict(
        self, kept: Kept, images: Sequence[tuple[str, bytes]], top: int, compare: bool
    ) -> Answers:
        """images: names for messages and files' contents. Raises UserError for what is no image."""
        if self._predictions >= self.limits.predictions:
            raise Busy("too many images are waiting", 1)
        self._predictions += 1
        try:
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(
                self._predicting, self._answers, kept, images, top, compare
            )
        finally:
            self._predictions -= 1
        self.metrics.images.inc(len(images))
        return answers

    def _answers(
        self, kept: Kept, images: Sequence[tuple[str, bytes]], top: int, compare: bool
    ) -> Answers:
        self._reading = True
        try:
            pixels = pixels_of(images, kept.model.image_size, self.limits.pixels)
            other = selection(kept.generator.source, kept.model.classes) if compare else None
            others = None if other is None else other.topk(pixels, top)
            return Answers(kept.model.topk(pixels, top), others)
        finally:
            self._reading = False
