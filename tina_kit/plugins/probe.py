"""A process of its own that imports plugins, each in a fork, and keeps what they declare.

Whatever a plugin does there (raise, exit, print, sleep, crash) ends with its fork. `main` reads one
request as JSON from stdin, writes a byte when it begins to import, and ends when all plugins of it
are known.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from tina_kit.api.component import ENTRY_POINTS, Component, import_attribute
from tina_kit.plugins.declarations import Installed
from tina_kit.plugins.failure import Failure
from tina_kit.plugins.loading import Plugin, components
from tina_kit.plugins.registry import importable

SLOW = 1.0
"""Seconds of import that a user notices."""


def main() -> None:
    """Examine the plugins of the request on stdin."""
    request = json.load(sys.stdin)
    folder, limit, deep = Path(request["folder"]), request["limit"], request["deep"]
    with suppress(Exception):  # what most of them import, once for all
        import tina_kit.api.options  # noqa: F401

        if deep:
            import torch  # noqa: F401
    running = {}
    for owner, version, name, value in request["plugins"]:
        point = EntryPoint(name, value, ENTRY_POINTS)
        installed = Installed(Plugin(owner, version, name), point, folder)
        child = os.fork()
        if child == 0:
            _only(installed, deep)
        running[child] = installed
    with suppress(OSError):  # that nobody waits any more changes nothing
        os.write(1, b".")
    _collect(running, time.monotonic() + limit, limit)


def _collect(running: dict[int, Installed], end: float, limit: float) -> None:
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            installed = running.pop(child)
            if status:
                how = os.waitstatus_to_exitcode(status)
                ended = f"by signal {-how}" if how < 0 else f"with exit code {how}"
                _fail(installed, f"the process that imported it ended {ended}")
        elif time.monotonic() > end:
            for child, installed in running.items():
                os.kill(child, signal.SIGKILL)
                _fail(installed, f"it was not imported after {limit:g} seconds")
            return
        else:
            time.sleep(0.005)


def _fail(installed: Installed, reason: str) -> None:
    plugin = installed.plugin
    failure = Failure(plugin.owner, plugin.version, plugin.name, "import", reason)
    installed.write({"failure": failure.facts()})


def _only(installed: Installed, deep: bool) -> None:
    """The life of a fork; it never returns."""
    code = 1
    try:
        with tempfile.TemporaryFile() as printed:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(printed.fileno(), 1)
            os.dup2(nothing, 2)
            installed.write(_examined(installed, deep))
        code = 0
    finally:
        os._exit(code)


def _examined(installed: Installed, deep: bool) -> dict[str, Any]:
    plugin = installed.plugin
    start = time.perf_counter()
    found = components(plugin, installed.point.load)
    seconds = time.perf_counter() - start
    failure = found if isinstance(found, Failure) else _absent(plugin, found)
    if failure is not None or isinstance(found, Failure):
        return {"failure": failure.facts() if failure else None}
    flaws = []
    sys.stdout.flush()
    if os.lseek(1, 0, os.SEEK_END):
        flaws.append(("import", "it prints when it is imported"))
    if seconds > SLOW:
        flaws.append(("import", f"it takes {seconds:.1f} seconds to import"))
    for component in found if deep else ():
        flaws += _unusable(component)
    told = [
        Failure(plugin.owner, plugin.version, plugin.name, stage, reason, left_out=False).facts()
        for stage, reason in flaws
    ]
    return {"components": [asdict(component) for component in found], "flaws": told}


def _absent(plugin: Plugin, found: tuple[Component, ...]) -> Failure | None:
    """A module that a component names and that does not exist; nothing more is imported."""
    for component in found:
        for stage in ("options", "target"):
            module = getattr(component, stage).partition(":")[0]
            if not importable(module):
                reason = f"{component.kind} {component.name}: there is no module {module}"
                return Failure(plugin.owner, plugin.version, plugin.name, stage, reason)
    return None


def _unusable(component: Component) -> list[tuple[str, str]]:
    """What is wrong with the code that a component names."""
    from tina_kit.api.options import Options

    wrong = []
    for stage in ("options", "target"):
        path = getattr(component, stage)
        try:
            named = import_attribute(path)
            if stage == "options" and not (isinstance(named, type) and issubclass(named, Options)):
                raise TypeError("it is no subclass of Options")
            if stage == "target" and not callable(named):
                raise TypeError("it cannot be called")
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            wrong.append((stage, f"{component.kind} {component.name}: {path}: {what}"))
    return wrong
