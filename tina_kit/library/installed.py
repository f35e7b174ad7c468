"""What is installed: plugins, their components, and whether they work here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.api.errors import UserError

if TYPE_CHECKING:
    from tina_kit.pipeline.findings import Finding
    from tina_kit.plugins import Registered, Registry

Files = Sequence[str | Path]
"""Python files with components of your own, whose code runs."""


def components(kind: str | None = None, *, plugins: Files = ()) -> list[dict[str, Any]]:
    """The components that recipes can name, of all kinds unless one is given, as `list --json`
    prints them. Imports no torch."""
    from tina_kit.recipe.describe import facts

    return [facts(entry) for entry in entries(discovered(plugins), kind)]


def component(kind: str, name: str, *, plugins: Files = ()) -> dict[str, Any]:
    """A component with its options and an example, as `show --json` prints it. Raises UserError if
    there is none of this name. Imports no torch."""
    return component_with(discovered(plugins), kind, name)


def schema(*, plugins: Files = ()) -> dict[str, Any]:
    """A JSON Schema of recipes with all installed components. Imports no torch."""
    from tina_kit.pipeline.console import log
    from tina_kit.recipe.json_schema import recipe_schema

    return recipe_schema(discovered(plugins), log)


def doctor(on: str | None = None) -> list[Finding]:
    """What is wrong with this machine and the installed plugins. Their code is imported in
    processes of their own, which takes seconds.

    on: "ray" or "ray://ADDRESS" checks every node of a Ray cluster, too. Raises UserError if it
    does not answer.
    """
    from tina_kit.plugins.examination import examine

    return findings_with(examine().registry, on)


def findings_with(registry: Registry, on: str | None) -> list[Finding]:
    from tina_kit.pipeline.findings import findings_of

    findings = findings_of(registry)
    if on is not None:
        from tina_kit.pipeline.workers.cluster import connected
        from tina_kit.pipeline.workers.nodes import findings_of_nodes

        with connected(on, None) as cluster:
            findings += findings_of_nodes(cluster, registry)
    return findings


def discovered(plugins: Files = ()) -> Registry:
    """All installed plugins and those of local files."""
    from tina_kit.pipeline.console import log
    from tina_kit.plugins import discover
    from tina_kit.plugins.discovery import load_file

    registry = discover()
    registry.announce = log
    for file in plugins:
        failure = load_file(registry, Path(file), "named in the call")
        if failure is not None:
            raise UserError(f"{file}: {failure}")
    return registry


def entries(registry: Registry, kind: str | None) -> list[Registered]:
    """All components of a kind, or of all kinds in their order."""
    from tina_kit.api.component import KINDS
    from tina_kit.plugins.registry import known_kind

    kinds = KINDS if kind is None else (known_kind(kind),)
    return [entry for each in kinds for entry in registry.of_kind(each)]


def component_with(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    from tina_kit.plugins.registry import UnknownComponent, known_kind
    from tina_kit.recipe.describe import described

    try:
        return described(registry.get(known_kind(kind), name), registry)
    except UnknownComponent as error:
        raise UserError(str(error)) from None
