"""What the schedule asks of those who compute stages, and the one that does so in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from tina_kit.api import TinaKitError, UserError
from tina_kit.pipeline.stage import Stage

Event = tuple[str, tuple[Any, ...]]
"""The name of an observer's method, or `log`, and what it is called with."""


class WorkerLost(Exception):
    """A worker ended before its stage did. Its checkpoints are left, and it holds no lock."""


@dataclass(frozen=True)
class Failure:
    """Why a worker could not compute a stage. by_user: whether it is a mistake of the user's;
    traceback: as text, for --debug; whole: whether the worker can compute no stage of the run."""

    message: str
    by_user: bool
    traceback: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Outcome:
    """seconds: None if the result was stored; made_by: versions and hardware of who computed it,
    empty for this process."""

    seconds: float | None = None
    made_by: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


class Executor(Protocol):
    """Computes stages whose inputs are stored. A context: leaving it by an error ends the stages
    that are being computed, which keep their checkpoints.

    slots: how many stages it takes at once; in_order: whether they come in the order of the plan.
    """

    slots: int
    in_order: bool

    def submit(self, stage: Stage) -> Future[Outcome]:
        """Begin a stage. The future raises WorkerLost if its worker ends."""

    def events(self) -> Iterable[Event]:
        """What workers have told since the last call: of a stage that is done, everything."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *error: object) -> None: ...


class InProcess:
    """Computes each stage at once, in this process. compute: returns the seconds it took."""

    slots, in_order = 1, True

    def __init__(self, compute: Callable[[Stage], float | None]) -> None:
        self._compute = compute

    def submit(self, stage: Stage) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        try:
            future.set_result(Outcome(self._compute(stage)))
        except Exception as error:  # (Ctrl-C and the like end the run at once)
            future.set_exception(error)
        return future

    def events(self) -> Iterable[Event]:
        return ()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class RemoteError(Exception):
    """The traceback of a worker, as the cause of what is raised here."""

    def __str__(self) -> str:
        return f"in the worker:\n{self.args[0]}"


def error_of(stage: Stage, failure: Failure) -> TinaKitError:
    """To be raised here, naming the stage unless it fails the whole run."""
    kind = UserError if failure.by_user else TinaKitError
    error = kind(failure.message if failure.whole else f"{stage.name}: {failure.message}")
    error.__cause__ = RemoteError(failure.traceback)
    return error
