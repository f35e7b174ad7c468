"""Points that Optuna chooses from those measured before, and points that it stops early.

No study is stored: it is made again from the sweep's own record whenever a point is chosen, with a
sampler that is seeded by the point's number. So a search that was killed goes on as if it had not
been, and nothing but JSON is written.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.api import UserError
from tina_kit.sweeps.axes import Axis, Range
from tina_kit.sweeps.points import Point

STARTUP = 5
"""Points that are drawn at random and run to their end, before any is chosen or stopped."""


class Search:
    """axes: what to vary; seed: of all choices."""

    def __init__(self, axes: Sequence[Axis], seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError("--search needs Optuna: pip install 'tina-kit[search]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("optuna").propagate = False
        self._optuna, self._seed = optuna, seed
        self._axes = {axis.key: axis for axis in axes}
        self._spaces = {axis.key: self._space(axis) for axis in axes}

    def choose(self, before: Sequence[Mapping[str, Any]]) -> Point:
        """The next point. before: the points of the sweep's record, all of which have ended."""
        return self._point(self._ask(before))

    def hopeless(
        self, before: Sequence[Mapping[str, Any]], measured: Sequence[tuple[int, float]]
    ) -> bool:
        """Whether the point after these is worse than half of them were at the same time.

        measured: (how many measurements before, p-Acc), as far as the point is.
        """
        trial = self._ask(before)
        for place, p_acc in measured:
            trial.report(p_acc, place)
        return bool(trial.should_prune())

    def _ask(self, before: Sequence[Mapping[str, Any]]) -> Any:
        optuna = self._optuna
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(
                n_startup_trials=STARTUP,
                seed=zlib.crc32(f"{self._seed}/{len(before)}".encode()),
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
        )
        for point in before:
            study.add_trial(self._trial(point))
        return study.ask(self._spaces)

    def _trial(self, point: Mapping[str, Any]) -> Any:
        optuna = self._optuna
        state = {
            "done": optuna.trial.TrialState.COMPLETE,
            "pruned": optuna.trial.TrialState.PRUNED,
        }.get(point["status"], optuna.trial.TrialState.FAIL)
        return optuna.trial.create_trial(
            state=state,
            value=point["p_acc"] if point["status"] == "done" else None,
            params={key: self._coded(key, value) for key, value in point["set"].items()},
            distributions=self._spaces,
            intermediate_values=dict(point.get("measured", ())),
        )

    def _space(self, axis: Axis) -> Any:
        distributions, values = self._optuna.distributions, axis.values
        if not isinstance(values, Range):
            return distributions.CategoricalDistribution([json.dumps(each) for each in values])
        if values.whole:
            return distributions.IntDistribution(int(values.low), int(values.high), values.log)
        return distributions.FloatDistribution(values.low, values.high, values.log)

    def _coded(self, key: str, value: Any) -> Any:
        """A value as Optuna keeps it, which of categories takes only text and numbers."""
        return value if isinstance(self._axes[key].values, Range) else json.dumps(value)

    def _point(self, trial: Any) -> Point:
        return {
            key: trial.params[key]
            if isinstance(axis.values, Range)
            else json.loads(trial.params[key])
            for key, axis in self._axes.items()
        }
