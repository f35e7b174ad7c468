"""What tasks of a cluster tell the process that leads the run, kept by an actor of Ray. Its process
starts first of all, so nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tina_kit.pipeline.workers.executor import Event


class Mailbox:
    """Holds what tasks tell until it is taken; lives beside the process that leads the run."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def put(self, events: list[Event]) -> None:
        self._events += events

    def take(self) -> list[Event]:
        found, self._events = self._events, []
        return found
