"""How long stages take, from what the store records of those that were computed before."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import islice
from statistics import median
from typing import Any

from tina_kit.pipeline.record import differences
from tina_kit.pipeline.stage import Stage
from tina_kit.store import Store

_READ = 2000  # entries of a kind, which takes a fraction of a second


class Durations:
    """made_by: versions and hardware of this run, as in `run.json`. Results that others computed,
    or other hardware, say nothing of it."""

    def __init__(self, store: Store, made_by: Mapping[str, Any]) -> None:
        self._store, self._made_by = store, made_by
        self._of_kind = cache(self._read)

    def of(self, stage: Stage) -> float | None:
        """Seconds that the stage will take: the median of those with the same profile."""
        found = self._of_kind(stage.kind).get(stage.profile)
        return None if found is None else median(found) * stage.units

    def _read(self, kind: str) -> dict[str, list[float]]:
        """Profile → seconds of a unit."""
        found: dict[str, list[float]] = {}
        for entry in islice(self._store.entries(kind), _READ):
            with suppress(KeyError, TypeError):  # of an older version, or damaged
                cost = entry["cost"]
                if not differences(entry["made_by"], self._made_by):
                    each = entry["seconds"] / max(1, cost["units"])
                    found.setdefault(cost["profile"], []).append(each)
        return found
