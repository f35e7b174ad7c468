"""Imports one plugin, checks its hooks, and accepts all of its components or none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any, TextIO

import pluggy

from tina_kit.api.component import API_VERSION, OWN, PROJECT, Component
from tina_kit.plugins import hooks
from tina_kit.plugins.failure import Failure, Refused, defined_at
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.plugin import LOCAL, Loaded, Plugin
from tina_kit.plugins.registry import importable, nearest

SLOW_S = 0.3
"""Import time in seconds above which a plugin is reported as slow."""
_TAKES = {
    name: tuple(signature(spec).parameters)
    for name, spec in vars(hooks).items()
    if name.startswith(f"{PROJECT}_")
}


def load(
    plugin: Plugin, get: Callable[[], Any], output: TextIO | None = None
) -> tuple[Loaded | None, list[Failure]]:
    """Import a plugin with `get` and collect its components. Returns the plugin, or None if that
    fails, and what is wrong with it.

    output: where its output goes; by default it is discarded.
    """
    stage, loaded, had_torch = "import", None, "torch" in sys.modules
    with Guard(output) as guard:
        module = get()
        stage = "register"
        manager = _registered(module, f"{plugin.owner}:{plugin.name}")
        stage = "components"
        loaded = Loaded(plugin, _components(manager, plugin.owner), manager.hook)
    wrong = [] if guard.error is None else [plugin.failure(stage, guard.error)]
    if guard.seconds > SLOW_S and plugin.owner not in (OWN, LOCAL):
        why = " because it imports torch" if "torch" in sys.modules and not had_torch else ""
        wrong.append(plugin.flaw("import", f"it takes {guard.seconds:.1f} s to import{why}"))
    return loaded, wrong


def _registered(module: Any, name: str) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.register(module, name)
    callers = manager.get_hookcallers(module) or []
    for caller in callers:
        found = caller.get_hookimpls()[0]
        place = defined_at(found.function)
        takes = _TAKES.get(caller.name)
        if takes is None:
            raise Refused(f"unknown hook {caller.name}; {nearest(caller.name, [*_TAKES])}", place)
        if not set(found.argnames) <= set(takes):
            written = ", ".join(found.argnames)
            raise Refused(f"{caller.name} must take ({', '.join(takes)}), not ({written})", place)
    marked = [caller.name for caller in callers]
    for hook in _TAKES:
        if hook not in marked and callable(function := getattr(module, hook, None)):
            raise Refused(f"{hook} is not marked with @hookimpl", defined_at(function))
    if not callers:
        raise Refused(f"it implements none of the hooks {', '.join(_TAKES)}")
    manager.add_hookspecs(hooks)
    return manager


def _components(manager: pluggy.PluginManager, owner: str) -> tuple[Component, ...]:
    hook = manager.hook.tina_kit_components
    if not hook.get_hookimpls():
        return ()
    place = defined_at(hook.get_hookimpls()[0].function)
    given = (hook() or [None])[0]  # pluggy leaves None out
    if not isinstance(given, Iterable):
        returned = f"{hook.name} returned {_short(given)}"
        raise Refused(f"{returned}, not a list of Components", place)
    components = tuple(given)
    for component in components:
        if not isinstance(component, Component):
            raise Refused(f"{hook.name} returned {_short(component)}, not a Component", place)
        if component.api != API_VERSION:
            age = "newer" if component.api > API_VERSION else "older"
            raise Refused(
                f"{component.kind} {component.name} needs version {component.api} of "
                f"tina_kit.api, which is {age} than the installed version {API_VERSION}",
                place,
                stage="api",
            )
    names = [(component.kind, component.name) for component in components]
    for kind, name in names:
        if names.count((kind, name)) > 1:
            raise Refused(f"it has two {kind}s named {owner}/{name}", place)
    for component in components if owner != OWN else ():
        for field in ("options", "target"):
            module = getattr(component, field).partition(":")[0]
            if not importable(module):
                reason = f"{component.kind} {component.name}: there is no module {module}"
                raise Refused(reason, place, stage=field)
    return components


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"
