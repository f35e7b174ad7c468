"""What several commands need."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.api.errors import TinaKitError, UserError
from tina_kit.cli import complete

if TYPE_CHECKING:
    from tina_kit.plugins import Failure, Registry

STRICT = "TINA_KIT_STRICT_PLUGINS"
PATIENCE = 0.07
"""Seconds to wait for the import of plugins that are seen for the first time."""

RecipeFile = Annotated[
    Path, typer.Argument(help="A recipe (YAML).", autocompletion=complete.recipes)
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override one value: generators.tina-dit.depth=3.",
        autocompletion=complete.settings,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(help="A named set of overrides in the recipe.", autocompletion=complete.profiles),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", help="A Python file with components of your own.", autocompletion=complete.files
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict-plugins", help=f"Fail when a plugin does; also {STRICT}=1.")
]


def log(line: str) -> None:
    """Logs go to stderr, results to stdout."""
    print(line, file=sys.stderr, flush=True)


def registry(files: Sequence[Path] = (), strict: bool = False) -> Registry:
    """All plugins and those of local files; those that failed are named in one line, and with
    --debug or TINA_KIT_DEBUG explained.

    strict: with TINA_KIT_STRICT_PLUGINS set too, a failure raises TinaKitError.
    """
    from tina_kit.plugins import discover
    from tina_kit.plugins.discovery import load_file

    strict = is_strict(strict)
    found = discover(None if strict else PATIENCE)
    for file in files:
        if not file.is_file():
            raise UserError(f"--plugin {file}: there is no such file")
        failure = load_file(found, file)
        if failure is not None:
            explain([failure])
            raise UserError(f"--plugin {file}: {failure}")
    failures = [failure for failure in found.failures if failure.left_out]
    explain(failures)
    if strict and failures:
        raise TinaKitError("\n".join(f"{failure}; {failure.remedy}" for failure in failures))
    if failures:
        log(f"warning: {_summary(failures)}; see tina-kit doctor")
    if found.pending:
        names = ", ".join(f"{plugin.name} of {plugin.owner}" for plugin in found.pending)
        log(f"new here and still being imported, their parts are there next time: {names}")
    return found


def is_strict(strict: bool) -> bool:
    """Whether it was asked for, by option or by environment variable."""
    return strict or os.environ.get(STRICT, "0") not in ("", "0")


def _summary(failures: Sequence[Failure]) -> str:
    if len(failures) == 1:
        return str(failures[0])
    names = ", ".join(f"{failure.entry_point} of {failure.owner}" for failure in failures)
    return f"{len(failures)} plugins are left out: {names}"


def explain(failures: Sequence[Failure]) -> None:
    """Their tracebacks, where they are asked for."""
    if "--debug" in sys.argv or os.environ.get("TINA_KIT_DEBUG"):
        for failure in failures:
            log(failure.traceback)
