"""`list`: the components that recipes can name. Never imports torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.api.component import KINDS, OWN
from tina_kit.cli import complete
from tina_kit.cli.common import examined, is_strict, print_failures, registry
from tina_kit.cli.layout import print_rows
from tina_kit.cli.options import Json, PluginFiles, Strict
from tina_kit.library import entries
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.plugins import Failure, Registered


def list_(
    ctx: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help=f"A kind of component: {', '.join(KINDS)}.",
            autocompletion=complete.kinds,
        ),
    ] = None,
    broken: Annotated[
        bool,
        typer.Option("--broken", help="List the problems of plugins instead, and how to fix them."),
    ] = False,
    as_json: Json = False,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """List the components that recipes can name.

    Example: tina-kit list generator
    """
    if broken:
        _list_broken(ctx, as_json, strict)
        return
    found = registry(plugin or (), strict)
    listed = entries(found, kind)
    if as_json:
        from tina_kit.recipe.describe import facts

        print(json.dumps([facts(entry) for entry in listed], indent=2))
        _warn_of_slow(found.failures)
        return
    longest = max((len(found.shortest_name(entry)) for entry in listed), default=0)
    for each in KINDS:
        table = [
            (
                found.shortest_name(entry).ljust(longest),
                f"v{entry.component.version}",
                _line(entry),
            )
            for entry in listed
            if entry.component.kind == each
        ]
        if kind is None and table:
            print(each)
        print_rows(table, "  " if kind is None else "")
    _warn_of_slow(found.failures)


def _list_broken(ctx: typer.Context, as_json: bool, strict: bool) -> None:
    failures = examined(ctx).failures
    if as_json:
        print(json.dumps([failure.facts() for failure in failures], indent=2))
    elif failures:
        print_failures(failures)
    else:
        print("All plugins work.")
    if is_strict(strict) and any(failure.left_out for failure in failures):
        raise typer.Exit(1)


def _warn_of_slow(failures: Sequence[Failure]) -> None:
    slow = [failure for failure in failures if not failure.left_out]
    if slow:
        reasons = "; ".join(f"{failure.plugin}: {failure.reason}" for failure in slow)
        log(f"slow: {reasons}; see tina-kit doctor")


def _line(entry: Registered) -> str:
    """The summary, and what is not as usual."""
    unusual = [] if entry.owner == OWN else [f"of {entry.origin}"]
    unusual += [f"needs {module}: {how}" for module, how in entry.missing]
    return entry.component.summary + (f" [{'; '.join(unusual)}]" if unusual else "")
