"""Who computes the stages of a run: workers on this machine, or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from tina_kit.api import UserError
from tina_kit.pipeline.workers.executor import Executor
from tina_kit.pipeline.workers.job import Job
from tina_kit.pipeline.workers.processes import Processes
from tina_kit.pipeline.workers.threads import threads_of

MOST = 1024


class Team(Protocol):
    """threads: of each stage, on which the last digits of results depend."""

    threads: int

    def executor(self, job: Job) -> Executor: ...


class Local:
    """Worker processes on this machine."""

    def __init__(self, count: int) -> None:
        self.count, self.threads = count, threads_of(os.cpu_count() or 1, count)

    def executor(self, job: Job) -> Executor:
        gpus = torch.cuda.device_count() if job.device == "cuda" else 0
        return Processes(job, self.count, gpus)


@contextmanager
def team_of(workers: int | None, on: str | None) -> Iterator[Team | None]:
    """workers: how many; on: `ray` or `ray://ADDRESS`. None if this process computes alone. While
    the block runs, this process has as many threads as each worker, since it adds up results, too.
    Raises UserError for a number or an address that cannot be used."""
    if workers is not None and not 1 <= workers <= MOST:
        raise UserError(f"--workers {workers}: give a number from 1 to {MOST}")
    if on is None and (workers is None or workers == 1):
        yield None
        return
    before = torch.get_num_threads()
    with _team(workers, on) as team:
        torch.set_num_threads(team.threads)
        try:
            yield team
        finally:
            torch.set_num_threads(before)


@contextmanager
def _team(workers: int | None, on: str | None) -> Iterator[Team]:
    if on is None:
        yield Local(workers or 1)
        return
    from tina_kit.pipeline.workers.cluster import connected

    with connected(on, workers) as team:
        yield team
