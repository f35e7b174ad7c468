"""Imports one plugin and takes all its components or none."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass
from typing import Any, TextIO

import pluggy

from tina_kit.api.component import API_VERSION, PROJECT, Component
from tina_kit.plugins import hooks
from tina_kit.plugins.blame import place
from tina_kit.plugins.failure import Failure


@dataclass(frozen=True)
class Plugin:
    """Where a plugin comes from. owner: its distribution's normalised name, or `local`."""

    owner: str
    version: str
    name: str

    @property
    def origin(self) -> str:
        return f"{self.owner} {self.version}".strip()

    def failure(self, stage: str, error: BaseException) -> Failure:
        """What came of it, with the traceback; to be called where `error` is handled."""
        text = str(error) if isinstance(error, WrongApi) else f"{type(error).__name__}: {error}"
        trace = traceback.format_exc()
        where = place(error)
        reason = text.splitlines()[0] + (f", {where}" if where else "")
        return Failure(self.owner, self.version, self.name, stage, reason, trace)


class WrongApi(Exception):
    """A component was written for another API_VERSION."""


def quietly() -> AbstractContextManager[TextIO]:
    """What a plugin prints goes to stderr: stdout belongs to the command's result."""
    return redirect_stdout(sys.stderr)


def components(plugin: Plugin, load: Callable[[], Any]) -> tuple[Component, ...] | Failure:
    """Import a plugin with `load` and ask it for its components.

    Even a plugin that exits is just a failure.
    """
    stage = "import"
    try:
        module = load()
        stage = "register"
        manager = _registered(module, f"{plugin.owner}:{plugin.name}")
        stage = "components"
        return _checked(manager.hook.tina_kit_components(), plugin.owner)
    except WrongApi as error:
        return plugin.failure("api", error)
    except (Exception, SystemExit) as error:
        return plugin.failure(stage, error)


def _registered(module: Any, name: str) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(module, name)
    callers = manager.get_hookcallers(module) or []
    unknown = [caller.name for caller in callers if not caller.has_spec()]
    if unknown:
        raise ValueError(f"unknown hook {', '.join(unknown)}")
    if not callers:
        raise ValueError("it has no function tina_kit_components marked with @hookimpl")
    return manager


def _checked(results: list[Any], owner: str) -> tuple[Component, ...]:
    found: dict[tuple[str, str], Component] = {}
    for component in (part for result in results for part in result):
        if not isinstance(component, Component):
            raise TypeError(f"{component!r} is not a Component")
        if component.api != API_VERSION:
            age = "newer" if component.api > API_VERSION else "older"
            raise WrongApi(
                f"{component.kind} {component.name} needs version {component.api} of "
                f"tina_kit.api, which is {age} than the installed one, {API_VERSION}"
            )
        place = (component.kind, component.name)
        if place in found:
            raise ValueError(f"there are two {component.kind}s called {owner}/{component.name}")
        found[place] = component
    return tuple(found.values())
