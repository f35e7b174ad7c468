"""The log: a JSON object a line on stderr. What users write is left out unless it is asked for."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import datetime, timezone
from traceback import extract_tb
from types import TracebackType
from typing import Any, TextIO


class Log:
    """names: whether class names, messages and addresses of users are logged. stream: by default
    stderr as it is at the time."""

    def __init__(self, names: bool = False, stream: TextIO | None = None) -> None:
        self.names = names
        self._stream = stream

    def event(self, event: str, private: dict[str, Any] | None = None, **facts: Any) -> None:
        """private: what comes from a user, for `names`."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        told = {"time": now, "event": event, **facts, **((private or {}) if self.names else {})}
        with suppress(OSError):  # where nobody reads it any more, the service goes on
            # ASCII, so that no control character reaches a terminal.
            print(json.dumps(told), file=self._stream or sys.stderr, flush=True)

    def failure(self, event: str, error: BaseException, **facts: Any) -> None:
        """An error that nobody expected: its kind and where it was raised."""
        self.event(
            event,
            {"message": str(error)[:2000]},
            **facts,
            error=type(error).__name__,
            raised=_places(error.__traceback__),
        )


class ToLog(logging.Handler):
    """What the web server and other libraries log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._log.failure("server", error, logger=record.name)
        else:
            told = {"message": record.getMessage()}
            self._log.event("server", told, logger=record.name, level=record.levelname)


def _places(traceback: TracebackType | None) -> list[str]:
    frames = extract_tb(traceback)[-8:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
