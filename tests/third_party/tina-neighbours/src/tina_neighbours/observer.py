"""An observer that sums up where a run's time went."""

from __future__ import annotations

from pathlib import Path

from tina_kit.api import Observer, RunInfo, StageInfo

FILE = "stage_seconds.txt"


class StageSeconds(Observer):
    """Writes `stage_seconds.txt` into the run folder: seconds for each kind of stage that was
    computed, the longest first. The file is empty where everything was cached."""

    def __init__(self, run: RunInfo) -> None:
        self.path = Path(run.folder) / FILE
        self.seconds: dict[str, float] = {}

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        if seconds is not None:
            self.seconds[stage.kind] = self.seconds.get(stage.kind, 0.0) + seconds

    def run_ended(self, status: str) -> None:
        longest = sorted(self.seconds.items(), key=lambda pair: -pair[1])
        lines = [f"{seconds:8.1f}  {kind}" for kind, seconds in longest]
        self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
