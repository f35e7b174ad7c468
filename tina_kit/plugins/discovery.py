"""Finds plugins, one at a time: a plugin that fails costs nobody else anything."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from tina_kit.api.component import ENTRY_POINTS, Component, import_attribute
from tina_kit.plugins import declarations
from tina_kit.plugins.blame import LOCAL
from tina_kit.plugins.declarations import Examination, Installed
from tina_kit.plugins.failure import DISABLE as DISABLE
from tina_kit.plugins.failure import Failure
from tina_kit.plugins.loading import Plugin, components, quietly
from tina_kit.plugins.registry import Registered, Registry

OWN = "tina-kit"


def discover(patience: float | None = None, deep: bool = False) -> Registry:
    """Find every plugin of the entry-point group, in the order of their names.

    tina-kit's own are imported, those of other distributions known by what they declared
    (see `declarations`). patience: how many seconds to wait for one that is seen for the first
    time, and left `pending` after that. deep: imports the code of all components, in processes of
    their own, to tell what is wrong with it; needs torch and seconds.

    TINA_KIT_DISABLE_PLUGINS leaves some out: `all` those that are not tina-kit's own, else names
    of distributions or entry points, separated by commas.
    """
    registry = Registry()
    found = [(_plugin(point), point) for point in entry_points(group=ENTRY_POINTS)]
    found = [(plugin, point) for plugin, point in found if not _disabled(plugin)]
    found.sort(key=lambda pair: (pair[0].owner, pair[0].name))
    others = _Others(registry, [pair for pair in found if pair[0].owner != OWN])
    others.ask(hurried=patience is not None, deep=deep, again=deep)
    for plugin, point in found:
        if plugin.owner == OWN:  # while the others are being looked at
            _load(registry, plugin, plugin.origin, point.load)
    others.answer(patience)
    return registry


class _Others:
    """The plugins of other distributions."""

    def __init__(self, registry: Registry, found: Sequence[tuple[Plugin, EntryPoint]]) -> None:
        self.registry = registry
        folder = declarations.folder() if found else Path()
        self.unknown = [Installed(plugin, point, folder) for plugin, point in found]
        self.examination: Examination | None = None
        if found:
            registry.look_again = self.look_again

    def look_again(self) -> None:
        self.ask(hurried=False, deep=False, again=True)
        self.answer(None)

    def ask(self, hurried: bool, deep: bool, again: bool) -> None:
        """Have those that are not known imported. hurried: not those that somebody else has asked
        for. again: those that have failed too."""
        asked = [one for one in self.unknown if deep or one.declared(failures=not again) is None]
        if hurried:
            asked = [one for one in asked if not one.asked]
        try:
            self.examination = Examination(asked, deep) if asked else None
        except OSError:
            self._import_here(asked)

    def answer(self, patience: float | None) -> None:
        """Add what has become known."""
        if self.examination is not None:
            self.examination.wait(patience)
        here = {(one.plugin.owner, one.plugin.name) for one in self.unknown}
        self.registry.failures = [
            f for f in self.registry.failures if (f.owner, f.entry_point) not in here
        ]
        self.registry.pending = []
        self.unknown = [one for one in self.unknown if not self._added(one)]

    def _added(self, one: Installed) -> bool:
        registry = self.registry
        told = one.declared()
        if told is None:
            registry.pending.append(one.plugin)
            return False
        if told.get("failure"):
            registry.failures.append(Failure.of_facts(told["failure"]))
            return False
        registry.failures += [Failure.of_facts(flaw) for flaw in told["flaws"]]
        parts = [
            Component(**{**facts, "needs": tuple(facts["needs"])}) for facts in told["components"]
        ]
        importer = _Importer(one)
        return _register(
            registry,
            one.plugin,
            [
                Registered(part, one.plugin.owner, one.plugin.origin, load=importer.of(part))
                for part in parts
            ],
        )

    def _import_here(self, ask: Sequence[Installed]) -> None:
        """Where there is no other process and no place to keep anything: slower, but as right."""
        self.unknown = [one for one in self.unknown if one not in ask]
        for one in ask:
            _load(self.registry, one.plugin, one.plugin.origin, one.point.load)


class _Importer:
    """Imports a declared plugin for real, once, when one of its components is used."""

    def __init__(self, installed: Installed) -> None:
        self.installed = installed
        self.found: tuple[Component, ...] | Failure | None = None

    def of(self, component: Component) -> Callable[[], Failure | None]:
        return lambda: self._load(component)

    def _load(self, component: Component) -> Failure | None:
        plugin = self.installed.plugin
        with quietly():
            if self.found is None:
                self.found = components(plugin, self.installed.point.load)
            if isinstance(self.found, Failure):
                return self.found
            try:
                if component not in self.found:
                    raise LookupError(f"it declares {component.kind} {component.name} otherwise")
                import_attribute(component.options)
            except LookupError as error:
                return plugin.failure("components", error)
            except (Exception, SystemExit) as error:
                return plugin.failure("options", error)
        return None


def load_file(registry: Registry, path: Path, named: str = "") -> Failure | None:
    """Run a local Python file and add its components, owned by `local`; once, however often asked.

    named: what names the file, for `registry.announce`, which is told before any of its code runs.
    """
    path = path.resolve()
    if path not in registry.files:
        if registry.announce is not None:
            registry.announce(f"running code from {path}" + (f" ({named})" if named else ""))
        registry.files[path] = _load_file(registry, path)
    return registry.files[path]


def _load_file(registry: Registry, path: Path) -> Failure | None:
    plugin = Plugin("local", "", path.name)

    def load() -> Any:
        name = f"{LOCAL}{re.sub(r'[^0-9a-zA-Z]', '_', str(path))}"
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} is not a Python file")
        module = module_from_spec(spec)
        # Targets are "module:attribute"; in a local file `__name__` must lead back here.
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    try:
        content = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        registry.failures.append(plugin.failure("import", error))
        return registry.failures[-1]
    return _load(registry, plugin, str(path), load, content)


def _load(
    registry: Registry, plugin: Plugin, origin: str, load: Callable[[], Any], content: str = ""
) -> Failure | None:
    """Import a plugin here and add its components; what came of it."""
    with quietly():
        found = components(plugin, load)
    if isinstance(found, Failure):
        registry.failures.append(found)
    else:
        entries = [Registered(part, plugin.owner, origin, content) for part in found]
        if _register(registry, plugin, entries):
            return None
    return registry.failures[-1]


def _register(registry: Registry, plugin: Plugin, entries: Sequence[Registered]) -> bool:
    try:
        registry.add(entries)
    except ValueError as error:
        registry.failures.append(plugin.failure("components", error))
        return False
    return True


def _plugin(point: EntryPoint) -> Plugin:
    if point.dist is None:
        return Plugin("unknown", "", point.name)
    return Plugin(re.sub(r"[-_.]+", "-", point.dist.name).lower(), point.dist.version, point.name)


def _disabled(plugin: Plugin) -> bool:
    words = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    named = {plugin.owner, plugin.name} & words
    return bool(named) or ("all" in words and plugin.owner != OWN)
