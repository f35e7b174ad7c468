"""Finds plugins, one at a time: a plugin that fails costs nobody else anything."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pluggy

from tina_kit.api.component import ENTRY_POINTS, PROJECT, Component
from tina_kit.plugins import hooks
from tina_kit.plugins.registry import Registered, Registry

DISABLE = "TINA_KIT_DISABLE_PLUGINS"
OWN = "tina-kit"


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be used. `stage` is import, register or components."""

    owner: str
    entry_point: str
    stage: str
    error: str
    traceback: str

    def __str__(self) -> str:
        return (
            f"plugin {self.entry_point} of {self.owner} is left out: "
            f"it failed to {_VERB[self.stage]} ({self.error})"
        )


_VERB = {"import": "import", "register": "register", "components": "give its components"}


def discover() -> Registry:
    """Load every plugin of the entry-point group, in the order of their names.

    TINA_KIT_DISABLE_PLUGINS leaves some out: `all` those that are not tina-kit's own, else names
    of distributions or entry points, separated by commas.
    """
    registry = Registry()
    loader = _Loader(registry)
    points = [(_owner(point), point) for point in entry_points(group=ENTRY_POINTS)]
    for owner, point in sorted(points, key=lambda pair: (pair[0] != OWN, pair[0], pair[1].name)):
        if not _disabled(owner, point.name):
            origin = f"{owner} {point.dist.version}" if point.dist else owner
            loader.load(owner, point.name, origin, point.load)
    return registry


def load_file(registry: Registry, path: Path) -> Failure | None:
    """Add the components of a local Python file, owned by `local`; once, however often asked."""
    if any(entry.origin == str(path) for entry in registry.registered):
        return None
    before = len(registry.failures)

    def load() -> Any:
        name = f"tina_kit_local_{re.sub(r'[^0-9a-zA-Z]', '_', str(path.resolve()))}"
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = module_from_spec(spec)
        # Targets are "module:attribute"; in a local file `__name__` must lead back here.
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    content = hashlib.sha256(path.read_bytes()).hexdigest()
    _Loader(registry).load("local", path.name, str(path), load, content)
    return registry.failures[-1] if len(registry.failures) > before else None


class _Loader:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hooks)

    def load(
        self, owner: str, name: str, origin: str, load: Callable[[], Any], content: str = ""
    ) -> None:
        stage = "import"
        try:
            module = load()
            stage = "register"
            self._register(module, f"{owner}:{name}")
            stage = "components"
            self.registry.registered += self._components(module, owner, origin, content)
        except (Exception, SystemExit) as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            self.registry.failures.append(Failure(owner, name, stage, text, traceback.format_exc()))

    def _register(self, module: Any, name: str) -> None:
        self.manager.register(module, name)
        callers = self.manager.get_hookcallers(module) or []
        unknown = [caller.name for caller in callers if not caller.has_spec()]
        if unknown:
            self.manager.unregister(module)
            raise ValueError(f"unknown hook {', '.join(unknown)}")

    def _components(self, module: Any, owner: str, origin: str, content: str) -> list[Registered]:
        others = [p for p in self.manager.get_plugins() if p is not module]
        call = self.manager.subset_hook_caller("tina_kit_components", remove_plugins=others)
        found: list[Registered] = []
        taken = {(e.component.kind, e.full_name) for e in self.registry.registered}
        for component in (part for result in call() for part in result):
            if not isinstance(component, Component):
                raise TypeError(f"{component!r} is not a Component")
            entry = Registered(component, owner, origin, content)
            if (component.kind, entry.full_name) in taken:
                raise ValueError(f"there are two {component.kind}s called {entry.full_name}")
            taken.add((component.kind, entry.full_name))
            found.append(entry)
        return found


def _owner(point: EntryPoint) -> str:
    name = point.dist.name if point.dist else "unknown"
    return re.sub(r"[-_.]+", "-", name).lower()


def _disabled(owner: str, name: str) -> bool:
    words = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    return owner in words or name in words or ("all" in words and owner != OWN)
