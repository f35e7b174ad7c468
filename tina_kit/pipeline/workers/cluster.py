"""Workers on a Ray cluster: each stage is a task, and Ray decides where it runs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from tina_kit.api import UserError, first_line
from tina_kit.pipeline.console import log
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.workers.executor import Event, Outcome, WorkerLost
from tina_kit.pipeline.workers.job import Job
from tina_kit.pipeline.workers.mailbox import Mailbox
from tina_kit.pipeline.workers.threads import THREADS, asked_threads, threads_of
from tina_kit.recipe.schema import StageResources

PORT = 10001  # of `ray start --head` for clients
ANSWER_S = 10.0  # for an address to answer
GRACE_S = 5.0  # for tasks to clean up when a run is interrupted
EVERY_S = 0.25  # seconds between messages of a task
QUEUED = 1000  # tasks that wait for Ray, unless --workers says how many run at once
ADDRESS = "RAY_ADDRESS"
GB = 10**9


class Cluster:
    """A connection to Ray. workers: how many stages at once, None for as many as fit."""

    def __init__(self, ray: Any, workers: int | None) -> None:
        self.ray, self.workers = ray, workers
        cpus = [int(node["Resources"].get("CPU", 0)) for node in self.nodes]
        largest, total = max(cpus, default=0), sum(cpus)
        if not largest:
            raise UserError("--on ray: no node of the cluster offers a CPU (`ray status`)")
        self.threads = min(largest, threads_of(total, workers or total))
        if (asked := asked_threads()) > largest:
            raise UserError(
                f"{THREADS}={asked}: no node of the cluster has more than {largest} CPUs; lower it"
            )

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Those that are alive."""
        return [node for node in self.ray.nodes() if node["Alive"]]

    def executor(self, job: Job) -> Tasks:
        """Raises UserError if a stage would never start, since no node has what it takes."""
        offered = [node["Resources"] for node in self.nodes]
        for kind in job.resources:
            taken = taken_by(kind, job)
            if any(all(node.get(name, 0) >= taken[name] for name in taken) for node in offered):
                continue
            most = {name: max(node.get(name, 0) for node in offered) for name in taken}
            raise UserError(
                f"resources.{kind}: no node of the cluster has {_said(taken)}; at most there are "
                f"{_said(most)}"
            )
        return Tasks(self.ray, job, self.workers or QUEUED)

    def on_each_node(self, function: Any, *arguments: Any) -> list[tuple[str, Any]]:
        """For every node its name and what a function returns there, or the error."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        task = self.ray.remote(function)
        refs = {}
        for node in self.nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            placed = task.options(num_cpus=0, max_retries=0, scheduling_strategy=there)
            refs[node["NodeID"]] = node["NodeManagerHostname"], placed.remote(*arguments)
        return [(host, _outcome_of(self.ray, ref)) for host, ref in refs.values()]


def taken_by(kind: str, job: Job) -> dict[str, float]:
    """What a stage takes of a node, by Ray's names."""
    asked = job.resources.get(kind, StageResources())
    gpus = 1.0 if job.device.startswith("cuda") else 0.0
    taken = {
        "CPU": job.threads if asked.cpus is None else asked.cpus,
        "GPU": gpus if asked.gpus is None else asked.gpus,
        "memory": (asked.memory or 0) * GB,
    }
    return {name: amount for name, amount in taken.items() if amount}


def _said(amounts: Mapping[str, float]) -> str:
    said = [
        f"{amount / GB:.3g} GB" if name == "memory" else f"{amount:g} {name}"
        for name, amount in amounts.items()
    ]
    return " and ".join(said)


def _outcome_of(ray: Any, ref: Any) -> Any:
    try:
        return ray.get(ref)
    except Exception as error:
        return error


@contextmanager
def connected(on: str, workers: int | None) -> Iterator[Cluster]:
    """on: `ray` for RAY_ADDRESS, a cluster that runs on this machine or else one of its own;
    `ray://HOST[:PORT]`. Raises UserError for an address that does not answer."""
    word, _, place = on.partition("://")
    if word != "ray" or on.endswith("://"):
        raise UserError(f"--on {on}: write ray or ray://HOST:PORT")
    address = f"ray://{place if ':' in place else f'{place}:{PORT}'}" if place else None
    ray = _imported()
    named = address or os.environ.get(ADDRESS, "")
    _check_answer(on, named)
    mine = not ray.is_initialized()
    if mine and not named and (left := _dead_cluster()):
        log(f"the Ray cluster at {left} does not answer any more: this run starts one of its own")
        address = "local"
    try:
        if mine:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    except Exception as error:
        raise UserError(
            f"--on {on}: Ray cannot be reached: {first_line(error)}. Python and Ray must have the "
            "same versions on all machines; ray:// also needs pip install 'ray[client]'"
        ) from error
    try:
        yield Cluster(ray, workers)
    finally:
        if mine:
            ray.shutdown()


def _imported() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError(
            "--on ray: Ray is not installed: pip install 'tina-kit[cluster]'; --workers N needs "
            "nothing"
        ) from None
    return ray


def _dead_cluster() -> str | None:
    """The address of the last cluster that `ray start` began on this machine, if it was killed: Ray
    would wait for it without a word."""
    from ray._private.services import find_bootstrap_address

    address: str | None = find_bootstrap_address(None)
    return address if address and _silence_of(address) else None


def _check_answer(on: str, address: str) -> None:
    """Ray itself tries for minutes."""
    if silence := _silence_of(address):
        raise UserError(
            f"--on {on}: {address.rpartition('://')[2]} does not answer ({silence}). Is the "
            f"cluster running (`ray status` there)? Is this its port? Clients use {PORT}"
        )


def _silence_of(address: str) -> str | None:
    """Why nothing answers at HOST:PORT, if that is so."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return None
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


class Tasks:
    """An executor whose stages are Ray tasks with the resources that they need."""

    in_order = False

    def __init__(self, ray: Any, job: Job, slots: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.slots, self._ray = slots, ray
        self._job, self._taken = ray.put(job), partial(taken_by, job=job)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self._task = ray.remote(_compute)
        self._refs: dict[Future[Outcome], Any] = {}

    def submit(self, stage: Stage) -> Future[Outcome]:
        taken = self._taken(stage.kind)
        task = self._task.options(
            num_cpus=taken.get("CPU", 0),
            num_gpus=taken.get("GPU", 0),
            memory=taken.get("memory"),
            max_retries=0,  # the schedule counts them
            scheduling_strategy="SPREAD",
        )
        ref = task.remote(self._job, stage.kind, stage.key, self._mailbox)
        future: Future[Outcome] = Future()
        self._refs = {each: ref for each, ref in self._refs.items() if not each.done()}
        self._refs[future] = ref
        ref.future().add_done_callback(lambda done: _hand_over(done, future))
        return future

    def events(self) -> Iterable[Event]:
        found: list[Event] = self._ray.get(self._mailbox.take.remote())
        return found

    def __enter__(self) -> Tasks:
        return self

    def __exit__(self, *error: object) -> None:
        running = {future: ref for future, ref in self._refs.items() if not future.done()}
        with suppress(Exception):  # the cluster may be what failed
            for force in (False, True):
                for future, ref in running.items():
                    if not future.done():
                        self._ray.cancel(ref, force=force)
                wait(running, GRACE_S)
            self._ray.kill(self._mailbox)


def _hand_over(done: Future[Any], future: Future[Outcome]) -> None:
    from ray.exceptions import RayTaskError

    error = done.exception()
    if error is None:
        future.set_result(done.result())
    elif isinstance(error, RayTaskError):  # raised there, and not an end of the worker
        future.set_exception(error)
    else:
        future.set_exception(WorkerLost(f"{type(error).__name__}: {first_line(error)}"))


# In a task.


def _compute(job: Job, kind: str, key: str, mailbox: Any) -> Outcome:
    import ray

    from tina_kit.pipeline.workers.worker import compute

    waiting: list[Event] = []
    sent = 0.0

    def send(event: Event) -> None:
        nonlocal sent
        waiting.append(event)
        if time.monotonic() - sent >= EVERY_S:
            sent = time.monotonic()
            mailbox.put.remote(list(waiting))
            waiting.clear()

    try:
        return compute(job, kind, key, send)
    finally:
        ray.get(mailbox.put.remote(waiting))
