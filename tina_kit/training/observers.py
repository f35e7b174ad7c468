"""Helpers for observers: counting progress, and notifying several observers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tina_kit.api import Observer, StageInfo, StepInfo


@contextmanager
def counting(
    observer: Observer, label: str, total: int, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Yield a function that reports to the observer how many more are done."""
    observer.step(StepInfo(label, done, total))

    def advance(count: int) -> None:
        nonlocal done
        done += count
        observer.step(StepInfo(label, done, total))

    yield advance


class Observers(Observer):
    """Notifies several observers. A guest that raises is reported once and then removed. An error
    in one of the run's own observers, which keep its records, is an error of the run."""

    def __init__(
        self,
        guests: Sequence[Observer] = (),
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._own: list[Observer] = []
        self._guests = list(guests)
        self._report = report
        self._stage: StageInfo | None = None

    def add(self, *own: Observer) -> None:
        """Add observers that keep the run's own records."""
        self._own += own

    def invite(self, *guests: Observer) -> None:
        """Add observers whose errors do not stop the run."""
        self._guests += guests

    def run_started(self, *facts: Any) -> None:
        self._tell("run_started", *facts)

    def note(self, *facts: Any) -> None:
        self._tell("note", *facts)

    def keep_note(self, *facts: Any) -> None:
        """A note for the run's own records, which is nothing for a user to do."""
        for observer in self._own:
            observer.note(*facts)

    def stage_started(self, stage: StageInfo) -> None:
        self._stage = stage
        self._tell("stage_started", stage)

    def step(self, step: StepInfo) -> None:
        """Says to which stage the step belongs, unless a worker has."""
        self._tell("step", replace(step, stage=self._stage) if step.stage is None else step)

    def checkpoint(self, *facts: Any) -> None:
        self._tell("checkpoint", *facts)

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        self._stage = None
        self._tell("stage_ended", stage, seconds)

    def result(self, *facts: Any) -> None:
        self._tell("result", *facts)

    def run_ended(self, *facts: Any) -> None:
        self._tell("run_ended", *facts)

    def _tell(self, event: str, *facts: Any) -> None:
        for observer in tuple(self._own):
            getattr(observer, event)(*facts)
        for observer in tuple(self._guests):
            try:
                getattr(observer, event)(*facts)
            except Exception as error:
                self._guests.remove(observer)
                name = f"{type(observer).__module__}.{type(observer).__qualname__}"
                self._report(
                    f"warning: observer {name} failed in {event} and was disabled: "
                    f"{type(error).__name__}: {error}"
                )
