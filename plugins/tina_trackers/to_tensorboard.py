"""TensorBoard: event files in the run folder, under `trackers/tensorboard/`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter


class TensorBoard:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._writer = EventFileWriter(str(Path(facts["place"]) / "tensorboard"))
        settings = {
            key: value if isinstance(value, (bool, int, float)) else str(value)
            for key, value in facts["settings"].items()
        }
        self._write(hparams_pb(settings, trial_id=facts["run"]), 0)
        self._writer.flush()

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        for kind, value in values.items():
            self._write(scalar_pb(f"{name}/{kind}", value), step)
        self._writer.flush()

    def results(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._write(scalar_pb(f"results/{name}", value), 0)

    def close(self, status: str) -> None:
        self._writer.close()

    def _write(self, summary: Any, step: int) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
