"""Finds plugins and imports them one at a time, so that a failing plugin does not affect others."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from tina_kit.api.component import ENTRY_POINTS, OWN
from tina_kit.plugins.failure import DISABLE, Failure, Refused
from tina_kit.plugins.loading import load
from tina_kit.plugins.plugin import LOCAL, LOCAL_MODULE, Plugin
from tina_kit.plugins.registry import Registry

FILE = "entry_points.txt"


class InterruptedImport(KeyboardInterrupt):
    """text: names the plugin that was being imported, and says how to disable it."""

    def __init__(self, text: str, *args: object) -> None:
        super().__init__(*args)
        self.text = text


def discover() -> Registry:
    """Import every plugin in the entry-point group: tina-kit's own first, then the others sorted by
    name.

    TINA_KIT_DISABLE_PLUGINS disables some: `all` third-party plugins, or comma-separated names of
    distributions or entry points. Ctrl-C raises InterruptedImport with the name of the plugin that
    was being imported.
    """
    registry = Registry()
    for plugin, point in installed():
        try:
            add(registry, plugin, importing(plugin, point))
        except KeyboardInterrupt as interrupt:
            which = f"plugin {plugin.name} of {plugin.owner}"
            text = f"interrupted while importing {which}; {DISABLE}={plugin.name} disables it"
            raise InterruptedImport(text, *interrupt.args) from interrupt
    return registry


def installed(switched_off: bool = False) -> list[tuple[Plugin, EntryPoint]]:
    """The enabled plugins in import order, or with `switched_off` the disabled ones."""
    # Parsing the metadata of a distribution takes milliseconds, and it may have many plugins.
    named = cache(_name_and_version)
    found = [(_plugin(point, *named(point.dist)), point) for point in points()]
    found = [(plugin, point) for plugin, point in found if _disabled(plugin) == switched_off]
    return sorted(found, key=lambda pair: (pair[0].owner != OWN, pair[0].owner, pair[0].name))


def importing(plugin: Plugin, point: EntryPoint) -> Callable[[], Any]:
    """A function that imports an installed plugin."""

    def get() -> Any:
        if not point.value:
            raise Refused(f"its {FILE} is malformed")
        if not plugin.module:
            wanted = "'module' or 'module:object'"
            raise Refused(f"its entry point must be {wanted}, not {point.value!r}")
        return point.load()

    return get


def load_file(registry: Registry, path: Path, named: str = "") -> Failure | None:
    """Run a local Python file and add its components, whose owner is `local`. A file runs only
    once. Returns why it cannot be used, or None.

    named: what names the file, for `registry.announce`, which is called before its code runs.
    """
    path = path.resolve()
    if path not in registry.files:
        if registry.announce is not None:
            registry.announce(f"running code from {path}" + (f" ({named})" if named else ""))
        registry.files[path] = _load_file(registry, path)
    return registry.files[path]


def _load_file(registry: Registry, path: Path) -> Failure | None:
    place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
    name = f"{LOCAL_MODULE}{re.sub(r'[^0-9a-zA-Z]', '_', path.stem)}_{place}"

    def get() -> Any:
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise Refused("it is not a Python file")
        # Targets are "module:attribute", so `__name__` in the file must be importable.
        module = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module

    content = ""
    with suppress(OSError):  # importing the file raises it again
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    plugin = Plugin(LOCAL, "", path.name, name, str(path), content)
    return add(registry, plugin, get)


def add(registry: Registry, plugin: Plugin, get: Callable[[], Any]) -> Failure | None:
    """Import a plugin with `get` and add it. Returns why it cannot be used, or None."""
    loaded, wrong = load(plugin, get)
    if loaded is not None:
        try:
            registry.add(loaded)
        except Refused as error:
            wrong.insert(0, plugin.failure("components", error))
    registry.failures += wrong
    return next((failure for failure in wrong if failure.left_out), None)


def points() -> list[EntryPoint]:
    """The entry points of all plugins; a distribution with malformed metadata gets a placeholder
    that cannot be imported."""
    try:
        return list(entry_points(group=ENTRY_POINTS))
    except Exception:  # a distribution has malformed metadata; read each one separately
        found: dict[str, Distribution] = {}
        for each in distributions():
            with suppress(Exception):
                if ENTRY_POINTS in (each.read_text(FILE) or ""):
                    found.setdefault(normalised(each.name), each)
        return [point for each in found.values() for point in _points_of(each)]


def _points_of(distribution: Distribution) -> list[EntryPoint]:
    try:
        return list(distribution.entry_points.select(group=ENTRY_POINTS))
    except Exception:
        point = EntryPoint(FILE, "", ENTRY_POINTS)
        vars(point).update(dist=distribution)
        return [point]


def _name_and_version(distribution: Distribution | None) -> tuple[str, str]:
    with suppress(Exception):  # its metadata may be missing
        if distribution is not None:
            return distribution.name or "unknown", distribution.version or ""
    return "unknown", ""


def _plugin(point: EntryPoint, name: str, version: str) -> Plugin:
    try:
        module = point.module
    except AttributeError:  # the entry point does not name a module
        module = ""
    return Plugin(normalised(name), version, point.name, module)


def _disabled(plugin: Plugin) -> bool:
    words = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    named = plugin.name in words or plugin.owner in map(normalised, words)
    return named or ("all" in words and plugin.owner != OWN)


def normalised(name: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
