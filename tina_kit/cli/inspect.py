"""`list` and `validate`: what there is, and whether a recipe is right. Never imports torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tina_kit.api.component import KINDS, OWN
from tina_kit.api.errors import UserError
from tina_kit.cli import complete
from tina_kit.cli.common import PluginFiles, Profile, RecipeFile, Sets, Strict, is_strict, registry
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.plugins import Failure, Registered


def list_(
    ctx: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(help=f"One of {', '.join(KINDS)}.", autocompletion=complete.kinds),
    ] = None,
    broken: Annotated[
        bool, typer.Option("--broken", help="List what is wrong with plugins, and how to fix it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """List the components that recipes can name."""
    if broken:
        _list_broken(ctx, as_json, strict)
        return
    found = registry(plugin or (), strict)
    kinds = KINDS if kind is None else (known_kind(kind),)
    entries = [(entry, found.shortest_name(entry)) for k in kinds for entry in found.of_kind(k)]
    if as_json:
        print(json.dumps([facts(entry) for entry, _ in entries], indent=2))
        _warn_of_slow(found.failures)
        return
    width = max((len(name) for _, name in entries), default=0)
    for each in kinds:
        rows = [(e, name) for e, name in entries if e.component.kind == each]
        if kind is None and rows:
            print(f"{each}")
        for entry, name in rows:
            indent = "  " if kind is None else ""
            print(f"{indent}{name.ljust(width)}  v{entry.component.version}  {_line(entry)}")
    _warn_of_slow(found.failures)


def validate(
    recipe: RecipeFile,
    set_: Sets = None,
    profile: Profile = None,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Check a recipe without running it. With profiles, each of them is checked too."""
    from tina_kit.recipe.load import profiles_of, resolved, source_of

    found = registry(plugin or (), strict)
    source = source_of(recipe)
    names = [profile] if profile else [None, *profiles_of(source)]
    for each in names:
        resolved(recipe, source, found, profile=each, sets=set_ or ())
    profiles = f" ({', '.join(n for n in names if n)})" if any(names) else ""
    print(f"{recipe}: valid{profiles}")


def known_kind(text: str, kinds: Sequence[str] = KINDS) -> str:
    """One of `kinds`, its plural too. Raises UserError."""
    if text in kinds:
        return text
    if text.removesuffix("s") in kinds:
        return text.removesuffix("s")
    close = get_close_matches(text, kinds, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"available: {', '.join(kinds)}"
    raise UserError(f"unknown kind '{text}'; {hint}")


def facts(entry: Registered) -> dict[str, Any]:
    """What `list --json` says of a component."""
    component = entry.component
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": entry.full_name,
        "summary": component.summary,
        "version": component.version,
        "api": component.api,
        "owner": entry.owner,
        "origin": entry.origin,
        "needs": list(component.needs),
        "missing": [{"module": module, "remedy": how} for module, how in entry.missing],
    }


def print_failures(failures: Sequence[Failure]) -> None:
    """Distribution, version, entry point, stage, reason, file and remedy of each."""
    for failure in failures:
        works = "" if failure.left_out else " (its components can be used)"
        print(f"{failure.owner} {failure.version}".rstrip() + f", plugin {failure.entry_point}")
        print(f"  stage   {failure.stage}{works}")
        print(f"  reason  {failure.reason}")
        if failure.file:
            print(f"  file    {failure.file}")
        print(f"  remedy  {failure.remedy}")


def _list_broken(ctx: typer.Context, as_json: bool, strict: bool) -> None:
    from tina_kit.cli.commands import examined

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
        told = "; ".join(f"{failure.plugin}: {failure.reason}" for failure in slow)
        log(f"slow: {told}; see tina-kit doctor")


def _line(entry: Registered) -> str:
    """The summary, and what is not as usual."""
    unusual = [] if entry.owner == OWN else [f"of {entry.origin}"]
    unusual += [f"needs {module}: {how}" for module, how in entry.missing]
    return entry.component.summary + (f" [{'; '.join(unusual)}]" if unusual else "")
