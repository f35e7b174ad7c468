"""Trackio: a run in the project that has the recipe's name, or in TRACKIO_PROJECT.

TRACKIO_DIR and its other variables say where it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import trackio


class Trackio:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", facts["name"]),
            name=facts["run"],
            config=dict(facts["settings"]),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        self._run.log({f"{name}/{kind}": value for kind, value in values.items()}, step=step)

    def results(self, values: Mapping[str, float]) -> None:
        self._run.log({f"results/{name}": value for name, value in values.items()})

    def close(self, status: str) -> None:
        self._run.finish()
