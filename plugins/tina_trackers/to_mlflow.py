"""MLflow: a run in the experiment that has the recipe's name, or in MLFLOW_EXPERIMENT_NAME.

MLFLOW_TRACKING_URI says where. The client is used, which prints nothing and has no global state.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

AT_ONCE = 100  # parameters of one request
LONGEST = 500  # characters of a parameter that every server takes
_STATUS = {"done": "FINISHED", "failed": "FAILED"}
_FORBIDDEN = re.compile(r"[^\w\-. /:]")
T = TypeVar("T")


class MLflow:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._client = MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", facts["name"])
        known = self._client.get_experiment_by_name(name)
        place = known.experiment_id if known else self._client.create_experiment(name)
        made = self._client.create_run(
            place, run_name=facts["run"], tags={"folder": facts["folder"]}
        )
        self._run = made.info.run_id
        settings = [
            Param(_named(key), str(value)[:LONGEST]) for key, value in facts["settings"].items()
        ]
        for some in _parts(settings):
            self._client.log_batch(self._run, params=some)

    def curve(self, name: str, step: int, values: Mapping[str, float]) -> None:
        self._log({f"{name}/{kind}": value for kind, value in values.items()}, step)

    def results(self, values: Mapping[str, float]) -> None:
        self._log({f"results/{name}": value for name, value in values.items()}, 0)

    def close(self, status: str) -> None:
        self._client.set_terminated(self._run, _STATUS.get(status, "KILLED"))

    def _log(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        metrics = [Metric(_named(name), value, now, step) for name, value in values.items()]
        for some in _parts(metrics):
            self._client.log_batch(self._run, metrics=some)


def _named(name: str) -> str:
    """What MLflow takes as a name: a variant's `[ResNet-20]` has brackets."""
    return _FORBIDDEN.sub("_", name)


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(rows), AT_ONCE):
        yield rows[first : first + AT_ONCE]
