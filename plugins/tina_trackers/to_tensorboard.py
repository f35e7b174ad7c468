"""TensorBoard: event files in the run folder, under `trackers/tensorboard/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer


class TensorBoard:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._writer = Writer(str(Path(facts["place"]) / "tensorboard"))

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        for kind, value in values.items():
            self._writer.add_scalar(f"{name}/{kind}", value, step)
        self._writer.flush()

    def results(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"results/{name}", value, 0)

    def close(self, status: str) -> None:
        self._writer.close()
