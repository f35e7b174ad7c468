"""The observers that every run has: `events.jsonl` and `metrics.csv` in its folder."""

from __future__ import annotations

import csv
import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tina_kit.api import Observer, RunInfo, StageInfo, StepInfo

EVENTS, METRICS = "events.jsonl", "metrics.csv"
COLUMNS = (
    *("stage", "training", "step", "steps", "loss", "learning_rate", "seconds"),
    *("seed", "p_acc"),
)


def now() -> str:
    return datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="seconds")


class EventLog(Observer):
    """What happened, one JSON object per line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / EVENTS

    def run_started(self, run: RunInfo) -> None:
        cached = sum(stage.cached for stage in run.stages)
        self._write("run started", stages=len(run.stages), cached=cached)

    def stage_started(self, stage: StageInfo) -> None:
        self._write("stage started", **_named(stage))

    def note(self, stage: StageInfo, text: str) -> None:
        self._write("note", **_named(stage), text=text)

    def checkpoint(self, label: str, step: int) -> None:
        self._write("checkpoint", stage=label, step=step)

    def stage_ended(self, stage: StageInfo, seconds: float | None) -> None:
        state = "cached" if seconds is None else "computed"
        self._write("stage ended", **_named(stage), state=state, seconds=seconds)

    def run_ended(self, status: str) -> None:
        self._write("run ended", status=status)

    def _write(self, event: str, **facts: Any) -> None:
        line = json.dumps({"time": now(), "event": event, **facts})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class MetricsLog(Observer):
    """The losses of all trainings, about a hundred rows each.

    Columns: stage, training (a stage may have several), step, steps (in all), loss (mean since the
    row before), learning_rate, seconds (since the training began), seed (of the run, empty if the
    seeds share the stage), p_acc (on validation tasks in percent, empty where not measured). A run
    that resumes writes a file of its own, which begins after what its checkpoint holds.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS
        self._began: dict[tuple[str, str, int | None], float] = {}
        self._add(COLUMNS)

    def step(self, step: StepInfo) -> None:
        key, seed = (step.stage.key, step.stage.seed) if step.stage else ("", None)
        began = self._began.setdefault((key, step.label, step.training), time.monotonic())
        if step.loss is None:
            return
        losses = (f"{step.loss:.6g}", f"{step.learning_rate:.6g}")
        p_acc = "" if step.p_acc is None else f"{step.p_acc:.6g}"
        seconds = f"{time.monotonic() - began:.3f}"
        place = (step.label, step.training, step.done, step.total)
        self._add((*place, *losses, seconds, seed, p_acc))

    def _add(self, row: tuple[Any, ...]) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(row)


def _named(stage: StageInfo) -> dict[str, Any]:
    return {"stage": stage.name, "key": stage.key, "seed": stage.seed}
