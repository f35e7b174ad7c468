"""Weights & Biases: a run in the project WANDB_PROJECT, or in `tina-kit`.

WANDB_MODE and its other variables apply; offline runs are kept in the run folder, under
`trackers/wandb/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import wandb


class Wandb:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        os.makedirs(facts["place"], exist_ok=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "tina-kit"),
            group=facts["name"],
            name=facts["run"],
            dir=os.environ.get("WANDB_DIR", facts["place"]),
            config=dict(facts["settings"]),
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )
        self._known: set[str] = set()

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        # Each training counts its own steps, but W&B's must never go back.
        if name not in self._known:
            self._known.add(name)
            self._run.define_metric(f"{name}/step", hidden=True)
            self._run.define_metric(f"{name}/*", step_metric=f"{name}/step")
        self._run.log({f"{name}/{kind}": value for kind, value in {**values, "step": step}.items()})

    def results(self, values: Mapping[str, float]) -> None:
        self._run.summary.update({f"results/{name}": value for name, value in values.items()})

    def close(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "done" else 1)
