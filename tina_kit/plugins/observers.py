"""The observers that plugins provide."""

from __future__ import annotations

from collections.abc import Callable

from tina_kit.api.observer import Observer, RunInfo
from tina_kit.plugins.contract import different_methods
from tina_kit.plugins.failure import Refused, defined_at
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.registry import Registry

HOOK = "tina_kit_observers"


def observers_of(registry: Registry, run: RunInfo, report: Callable[[str], None]) -> list[Observer]:
    """The plugins' observers for a run. A hook that fails is reported and does not affect other
    plugins."""
    found: list[Observer] = []
    for loaded in registry.plugins:
        if not loaded.has(HOOK):
            continue
        brought: list[Observer] = []
        with Guard() as guard:
            for answer in loaded.hooks.tina_kit_observers(run=run):
                brought += answer
            for each in brought:
                if not isinstance(each, Observer):
                    place = defined_at(loaded.hooks.tina_kit_observers.get_hookimpls()[0].function)
                    raise Refused(f"{HOOK} returned {each!r}, which is not an Observer", place)
                for reason, place in different_methods(Observer, type(each)):
                    raise Refused(reason, place)
        if guard.error is None:
            found += brought
        else:
            report(f"warning: {loaded.plugin.failure('observers', guard.error, left_out=False)}")
    return found
