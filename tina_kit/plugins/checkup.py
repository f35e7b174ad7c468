"""Runs in the process that examines one plugin: imports it, collects its commands, and imports the
code of its components.

Writes one JSON object per line: `doing` (the stage and the step that begins), `failures`,
`components`, `commands` and finally `done`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import EntryPoint
from tempfile import TemporaryFile
from typing import Any

from tina_kit.api.component import ENTRY_POINTS, Component, import_attribute
from tina_kit.plugins.commands import HOOK, commands_of
from tina_kit.plugins.contract import broken_promises
from tina_kit.plugins.discovery import importing
from tina_kit.plugins.failure import Failure
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.loading import load
from tina_kit.plugins.plugin import Plugin
from tina_kit.plugins.registry import check_options

Say = Callable[..., None]


def main(request: str) -> None:
    """Examine the plugin of a request, then exit the process."""
    asked = json.loads(request)
    plugin = Plugin(**asked["plugin"])
    with open(asked["file"], "a", encoding="utf-8") as file:

        def say(**line: Any) -> None:
            print(json.dumps(line), file=file, flush=True)

        _examine(plugin, EntryPoint(plugin.name, asked["value"], ENTRY_POINTS), say)
        say(done=True)
    os._exit(0)  # without waiting for threads and exit handlers of the plugin


def _examine(plugin: Plugin, point: EntryPoint, say: Say) -> None:
    import tina_kit.api.options  # noqa: F401  # most plugins need it; not counted as their time

    say(doing=("import", "it was being imported"))
    with TemporaryFile("w+") as output:
        loaded, wrong = load(plugin, importing(plugin, point), output)
        output.flush()
        if loaded is not None and os.fstat(output.fileno()).st_size:
            wrong.append(plugin.flaw("import", "it prints something when it is imported"))
    _tell(wrong, say)
    if loaded is None:
        return
    say(components=[asdict(component) for component in loaded.components])
    say(doing=("commands", f"{HOOK} was running"))
    commands, wrong = commands_of(loaded)
    _tell(wrong, say)
    say(commands=list(commands))
    for component in loaded.components:
        for stage in ("options", "target"):
            _tell(_wrong_with(plugin, component, stage, say), say)


def _tell(failures: list[Failure], say: Say) -> None:
    say(failures=[failure.facts() for failure in failures])


def _wrong_with(plugin: Plugin, component: Component, stage: str, say: Say) -> list[Failure]:
    path = getattr(component, stage)
    say(doing=(stage, f"{path} was being imported"))
    name = f"{component.kind} {component.name}"
    with Guard() as guard:
        named = import_attribute(path)
        if stage == "options":
            check_options(named)
        else:
            wrong = broken_promises(component.kind, named)
            return [plugin.flaw(stage, f"{name}: {reason}", place) for reason, place in wrong]
    if guard.error is None:
        return []
    failure = plugin.failure(stage, guard.error, left_out=False)
    return [replace(failure, reason=f"{name}: {path}: {failure.reason}")]
