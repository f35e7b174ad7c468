"""Tells a tracker what a run tells its observers."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from tina_kit.api import Observer, RunInfo, StepInfo
from tina_trackers.process import Tracker

_LOG = logging.getLogger("tina_kit.trackers")


class Tracked(Observer):
    """A run's losses, p-Acc and results, for a tracker in a process of its own.

    name: of the tracker, for messages; target: what it is there, as "module:attribute"; package:
    what must be installed for it; told: what the user is told at the start of the run.
    """

    def __init__(self, run: RunInfo, name: str, target: str, package: str, told: str = "") -> None:
        seeds = run.recipe.get("seeds", ())
        self._several = len(seeds) > 1
        self._tracker: Tracker | None = None
        self._told, self._missing = told, ""
        if find_spec(package) is None:
            self._missing = (
                f"{name}: the package {package} is not installed: pip install 'tina-kit[{name}]'"
            )
            return
        facts = {
            "name": run.name,
            "run": run.folder.name,
            "folder": str(run.folder.resolve()),
            "place": str(run.folder.resolve() / "trackers"),
            "settings": dict(flat(run.recipe)),
        }
        self._tracker = Tracker(target, facts, lambda reason: _warn(f"{name}: {reason}"))

    def run_started(self, run: RunInfo) -> None:
        # Only now: what is written while an observer is made is discarded.
        if self._missing:
            _warn(self._missing)
        elif self._told:
            print(self._told, file=sys.stderr, flush=True)

    def step(self, step: StepInfo) -> None:
        if self._tracker is not None and step.loss is not None:
            values = {"loss": step.loss, "learning_rate": step.learning_rate, "p_acc": step.p_acc}
            known = {name: value for name, value in values.items() if value is not None}
            seed = step.stage.seed if step.stage and self._several else None
            place = "" if seed is None else f"seed {seed}/"
            training = f" {step.training}" if step.training else ""
            self._tracker.tell("curve", f"{place}{step.label}{training}", step.done, known)

    def result(self, results: Mapping[str, Any]) -> None:
        if self._tracker is not None:
            rows = results["generators"]
            p_acc = {f"{row['generator']}/{row['split']}/p_acc": row["p_acc"] for row in rows}
            known = {name: value for name, value in p_acc.items() if value is not None}
            self._tracker.tell("results", known)

    def run_ended(self, status: str) -> None:
        if self._tracker is not None:
            self._tracker.close(status)


def tensorboard(run: RunInfo) -> Observer:
    folder = shlex.quote(str(run.folder / "trackers" / "tensorboard"))
    told = f"to see the curves: tensorboard --logdir {folder}"
    target = "tina_trackers.to_tensorboard:TensorBoard"
    return Tracked(run, "tensorboard", target, "tensorboard", told)


def mlflow(run: RunInfo) -> Observer:
    return Tracked(run, "mlflow", "tina_trackers.to_mlflow:MLflow", "mlflow")


def wandb(run: RunInfo) -> Observer:
    return Tracked(run, "wandb", "tina_trackers.to_wandb:Wandb", "wandb")


def trackio(run: RunInfo) -> Observer:
    return Tracked(run, "trackio", "tina_trackers.to_trackio:Trackio", "trackio")


def flat(recipe: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """The values of a recipe by dotted keys, as `--set` takes them."""
    found: list[tuple[str, Any]] = []
    for key, value in recipe.items():
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
            value = {row.get("name", str(place)): row for place, row in enumerate(value)}
        if isinstance(value, Mapping):
            found += flat(value, f"{above}{key}.")
        else:
            found.append((f"{above}{key}", value))
    return found


def _warn(text: str) -> None:
    _LOG.warning("tracker %s. The run goes on without it", text.rstrip("."))
