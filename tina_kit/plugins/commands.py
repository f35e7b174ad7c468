"""The commands that plugins add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from tina_kit.plugins.failure import Failure, Refused
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.plugin import Loaded, Plugin

HOOK = "tina_kit_commands"
T = TypeVar("T")


def commands_of(loaded: Loaded) -> tuple[dict[str, Any], list[Failure]]:
    """The commands of one plugin by name, or the reason if its hook fails."""
    commands: dict[str, Any] = {}
    if not loaded.has(HOOK):
        return commands, []
    with Guard() as guard:
        from typer import Typer
        from typer.main import get_group

        app = Typer(rich_markup_mode=None)
        loaded.hooks.tina_kit_commands(app=app)
        commands = dict(get_group(app).commands)
        if not commands:
            raise Refused(f"{HOOK} added no commands; @app.command() needs its parentheses")
    if guard.error is None:
        return commands, []
    failure = loaded.plugin.failure("commands", guard.error, left_out=False)
    return {}, [replace(failure, reason=f"its commands were skipped: {failure.reason}")]


def accepted(
    taken: Iterable[str], brought: Iterable[tuple[Plugin, Mapping[str, T]]]
) -> tuple[dict[str, T], list[Failure]]:
    """The commands whose names are not yet taken by tina-kit or an earlier plugin, and why the
    others are rejected."""
    owners = dict.fromkeys(taken, "tina-kit")
    commands: dict[str, T] = {}
    refused = []
    for plugin, named in brought:
        for name, command in named.items():
            if name in owners:
                reason = f"its command '{name}' was rejected: {owners[name]} already has it"
                refused.append(plugin.flaw("commands", reason))
            else:
                owners[name] = f"plugin {plugin.name} of {plugin.owner}"
                commands[name] = command
    return commands, refused
