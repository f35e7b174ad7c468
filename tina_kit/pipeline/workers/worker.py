"""A worker: makes a run's plan again, in a process of its own, and computes stages of it.

Nothing heavy is imported before `prepared` is called: the number of threads must be set before.
"""

from __future__ import annotations

import logging
import platform
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tina_kit.api import Observer
from tina_kit.api.errors import TinaKitError, UserError
from tina_kit.api.interruption import interruption
from tina_kit.pipeline.workers.job import Job, check_plan, check_store

if TYPE_CHECKING:
    from tina_kit.api import StageInfo, StepInfo
    from tina_kit.pipeline.plan import Plan
    from tina_kit.pipeline.workers.executor import Event, Failure, Outcome

EVERY_S = 0.25  # seconds between steps that are told, besides those with a loss

Send = Callable[["Event"], None]


class Teller(Observer):
    """Tells the leading process what happens to a stage. Of the many steps it tells the first, the
    last, those with a loss, and some."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self._last: tuple[object, float] = (None, 0.0)

    def stage_started(self, stage: StageInfo) -> None:
        self.send(("stage_started", (stage,)))

    def note(self, stage: StageInfo, text: str) -> None:
        self.send(("note", (stage, text)))

    def checkpoint(self, label: str, step: int) -> None:
        self.send(("checkpoint", (label, step)))

    def step(self, step: StepInfo) -> None:
        counted, now = (step.label, step.training), time.monotonic()
        new = counted != self._last[0]
        rare = new or step.loss is not None or step.done >= step.total
        if rare or now - self._last[1] >= EVERY_S:
            self._last = counted, now
            self.send(("step", (step,)))


class Worker:
    """A plan that is the same as that of the leading process, or an error that says why not."""

    def __init__(self, job: Job, teller: Teller) -> None:
        import torch

        from tina_kit.pipeline.plan import Plan
        from tina_kit.pipeline.record import differences, maker
        from tina_kit.pipeline.workers.computing import warn_of_digits
        from tina_kit.store import Store
        from tina_kit.training import Observers, resolve_device

        torch.set_num_threads(job.threads)
        check_store(job)
        self.observer = Observers()
        self.observer.add(teller)
        self.teller = teller
        device = resolve_device(job.device)
        self.plan: Plan = Plan.of(recipe_of(job), Store.of(job.store), device, self.observer)
        check_plan(job, self.plan)
        self.stages = {(stage.kind, stage.key): stage for stage in self.plan.stages}
        self.made_by = maker(device)
        warn_of_digits(
            f"a worker on {platform.node()}: what others",
            differences(job.made_by, self.made_by),
        )

    def compute(self, kind: str, key: str) -> Outcome:
        from tina_kit.pipeline.workers.computing import compute
        from tina_kit.pipeline.workers.executor import Outcome

        observer = self.observer
        stage = self.stages[kind, key]
        self.plan.store.bring((before.kind, before.key) for before in stage.after)
        started = observer.stage_started
        seconds = compute(stage, self.plan.recipe, self.made_by, observer, started)
        return Outcome(seconds, self.made_by)


def recipe_of(job: Job) -> Any:
    """The recipe, with the same places for messages."""
    from dataclasses import replace

    from tina_kit.pipeline.console import log
    from tina_kit.plugins import discover
    from tina_kit.plugins.discovery import load_file
    from tina_kit.recipe.load import resolved

    registry = discover()
    registry.announce = log
    for file in job.plugins:
        if failure := load_file(registry, file, "named by the run"):
            raise UserError(f"{file}: {failure}")
    return replace(resolved(job.path, job.source, registry), plugins=job.plugins)


def compute(job: Job, kind: str, key: str, send: Send) -> Outcome:
    """Compute a stage; whatever goes wrong is in the outcome. send: tells the leading process."""
    from tina_kit.pipeline.workers.executor import Outcome

    worker = None
    try:
        with _Warnings(send):
            worker = prepared(job, send)
            return worker.compute(kind, key)
    except BaseException as error:
        if interruption(error) is not None or not isinstance(error, (Exception, SystemExit)):
            raise
        return Outcome(failure=_failure(error, whole=worker is None))


class _Warnings(logging.Handler):
    """Tells the leading process of warnings."""

    def __init__(self, send: Send) -> None:
        super().__init__(logging.WARNING)
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        self.send(("log", (record.name, record.levelno, record.getMessage())))

    def __enter__(self) -> None:
        logging.getLogger("tina_kit").addHandler(self)

    def __exit__(self, *error: object) -> None:
        logging.getLogger("tina_kit").removeHandler(self)


_workers: dict[str, Worker] = {}
"""By the token of their run; a process of a cluster may serve several runs, one after another."""


def prepared(job: Job, send: Send) -> Worker:
    """The worker of this process for a run."""
    worker = _workers.get(job.token)
    if worker is None:
        _workers.clear()
        worker = _workers[job.token] = Worker(job, Teller(send))
    worker.teller.send = send
    return worker


def _failure(error: BaseException, whole: bool) -> Failure:
    from tina_kit.pipeline.workers.executor import Failure
    from tina_kit.plugins.blame import blame

    message = str(error)
    if not isinstance(error, TinaKitError):
        message = blame(error) or f"{type(error).__name__}: {error}".rstrip(": ")
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Failure(message, isinstance(error, UserError), trace, whole)
