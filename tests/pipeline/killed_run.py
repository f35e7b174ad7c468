"""The command line, which sends itself a signal inside the stage that KILL names: SIGKILL, as if
the power failed, or those of SIGNALS, one after another. Its trainings are short, and save a
checkpoint every EVERY steps.

Not a test: test_kill_and_resume.py runs it in a process of its own.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

from tina_kit import cli
from tina_kit.store import checkpoint, draft
from tina_kit.training import Trainer


def dying_after(function: Any) -> Any:
    """The same function; when it has written inside the stage, no more is done."""

    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        result = function(self, *arguments, **named)
        place = getattr(self, "path", None) or self.folder
        if f"/.partial/{os.environ['KILL']}/" in str(place):
            try:
                send()
            finally:  # while the first is being handled
                send()
        return result

    return wrapped


def send() -> None:
    if names:
        os.kill(os.getpid(), signal.Signals[names.pop(0)])


EVERY = 3
train = Trainer.__call__
names: list[str] = []


def often_saved(self: Trainer, module: Any, loss: Any, training: Any) -> None:
    train(self, module, loss, replace(training, checkpoint_every=EVERY))


def main(words: list[str]) -> None:
    names.extend(os.environ.get("SIGNALS", "SIGKILL").split())
    Trainer.__call__ = often_saved  # type: ignore[method-assign]
    if os.environ.get("KILL"):
        checkpoint.Checkpoint.save = dying_after(checkpoint.Checkpoint.save)  # type: ignore[method-assign]
        draft.Draft.save_tensors = dying_after(draft.Draft.save_tensors)  # type: ignore[method-assign]
        draft.Draft.save_json = dying_after(draft.Draft.save_json)  # type: ignore[method-assign]
    cli.main(words)
