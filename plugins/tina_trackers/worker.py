"""The process of a tracker: `python -m tina_trackers.worker MODULE:ATTRIBUTE`, with JSON lines on
standard input. What it writes last is why it failed."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol


class Target(Protocol):
    """Takes what a run tells.

    facts: `name` of the recipe, `run` (the name of its folder), `folder`, `place` (a folder in it
    for files, which may not exist) and `settings`, the recipe's values by dotted keys.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None: ...

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """A point of the curves of a training. name: `fit/tina-dit`; values: `loss`,
        `learning_rate` and where it is measured `p_acc`, in percent."""

    def results(self, values: Mapping[str, float]) -> None:
        """p-Acc in percent, by `generator/split/p_acc`."""

    def close(self, status: str) -> None:
        """status: done, failed, interrupted; or killed, if the run did not say how it ended."""


def main(target: str) -> None:
    module, _, name = target.partition(":")
    tracker: Target | None = None
    status = "killed"
    for line in sys.stdin.buffer:
        what, *arguments = json.loads(line)
        if what == "facts":
            tracker = getattr(importlib.import_module(module), name)(*arguments)
        elif what == "close":
            [status] = arguments
        elif tracker is not None:
            getattr(tracker, what)(*arguments)
    if tracker is not None:
        tracker.close(status)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BaseException as error:
        print(
            f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr, flush=True
        )
        os._exit(1)  # without what the library does at exit, which might hang
