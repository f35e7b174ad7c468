"""The trackers that plugins offer, of which a run asks for some by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tina_kit.api.component import import_attribute
from tina_kit.api.errors import UserError
from tina_kit.api.observer import Observer, RunInfo
from tina_kit.plugins.failure import Refused
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.plugin import Plugin
from tina_kit.plugins.registry import Registry, nearest

HOOK = "tina_kit_trackers"
ENVIRONMENT = "TINA_KIT_TRACK"


@dataclass(frozen=True)
class Tracker:
    """target: "module:attribute" of what makes its observer."""

    name: str
    target: str
    plugin: Plugin

    def observer(self, run: RunInfo, report: Callable[[str], None]) -> Observer | None:
        """Its observer for a run; None if it fails, which is reported."""
        made: Observer | None = None
        with Guard() as guard:
            made = import_attribute(self.target)(run)
            if not isinstance(made, Observer):
                raise Refused(f"{self.target} returned {made!r}, which is not an Observer")
        if guard.error is None:
            return made
        failure = self.plugin.failure("observers", guard.error, left_out=False)
        report(f"warning: tracker {self.name}: {failure}")
        return None


def trackers(registry: Registry, names: Sequence[str]) -> list[Tracker]:
    """The trackers of these names, and of those in TINA_KIT_TRACK, which commas separate. Raises
    UserError for a name that no plugin offers."""
    known = {each.name: each for each in offered(registry)}
    asked = [(name, "track") for name in names]
    asked += [(name, ENVIRONMENT) for name in os.environ.get(ENVIRONMENT, "").split(",")]
    words: dict[str, str] = {}
    for name, source in asked:
        if name.strip():
            words.setdefault(name.strip(), source)
    for name, source in words.items():
        if name not in known:
            raise UserError(f"{source}: unknown tracker '{name}'; {nearest(name, list(known))}")
    return [known[name] for name in words]


def offered(registry: Registry) -> list[Tracker]:
    """All of them; of two with the same name the first plugin's."""
    found: dict[str, Tracker] = {}
    for loaded in registry.plugins:
        if not loaded.has(HOOK):
            continue
        with Guard() as guard:
            for answer in loaded.hooks.tina_kit_trackers():
                for name, target in dict(answer).items():
                    found.setdefault(name, Tracker(name, target, loaded.plugin))
        if guard.error is not None:
            registry.failures.append(loaded.plugin.failure("observers", guard.error, False))
    return list(found.values())
