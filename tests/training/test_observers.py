"""Several observers of one run."""

from __future__ import annotations

from tina_kit.api import Observer, StageInfo
from tina_kit.training import Observers


def test_a_note_for_the_records_is_shown_to_nobody() -> None:
    class Told(Observer):
        def __init__(self) -> None:
            self.texts: list[str] = []

        def note(self, stage: StageInfo, text: str) -> None:
            self.texts.append(text)

    log, screen, stage = Told(), Told(), StageInfo("fit/x", "fit", "key", 0, False)
    both = Observers([screen])
    both.add(log)
    both.note(stage, "waits")
    both.keep_note(stage, "runs one by one")
    assert (log.texts, screen.texts) == (["waits", "runs one by one"], ["waits"])
