"""`show`: all that is known of a component. Never imports torch."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tina_kit.api.component import KINDS
from tina_kit.cli import complete
from tina_kit.cli.common import registry
from tina_kit.cli.layout import print_json, print_wrapped, shortened
from tina_kit.cli.options import Json, PluginFiles, Strict


def show(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help=f"A kind of component: {', '.join(KINDS)}.",
            autocompletion=complete.kinds,
        ),
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The component's name, or owner/name.",
            autocompletion=complete.components,
        ),
    ],
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also show bounds, units, whole descriptions and where it is defined."
        ),
    ] = False,
    as_json: Json = False,
    plugin: PluginFiles = None,
    strict: Strict = False,
) -> None:
    """Show a component, its options and an example.

    Example: tina-kit show generator tina-dit --all
    """
    from tina_kit.library import component_with

    facts = component_with(registry(plugin or (), strict), kind, name)
    if as_json:
        print_json(facts)
    else:
        _print(facts, everything)


def _print(facts: dict[str, Any], everything: bool) -> None:
    print_wrapped(f"{facts['kind']} {facts['full_name']} (version {facts['version']})")
    print_wrapped(facts["summary"])
    if everything:
        print_wrapped(f"from {facts['origin']}, {facts['target']}")
        print_wrapped(f"defined in {facts['file']}")
        if facts["paper"]:
            print_wrapped(f"the paper's {', '.join(facts['paper'])}")
    missing = {need["module"]: need["remedy"] for need in facts["missing"]}
    for need in facts["needs"]:
        module = need.partition(" ")[0]
        print_wrapped(f"needs {need}" + (" (not installed)" if module in missing else ""))
    print("\noptions:" if facts["options"] else "\nIt has no options.")
    for option in facts["options"]:
        _print_option(option, everything)
    print("\nin a recipe:")
    for line in facts["example"].splitlines():
        print(f"  {line}")
    if not everything:
        print()
        print_wrapped("--all shows bounds, units, whole descriptions and where it is defined.")


def _print_option(option: dict[str, Any], everything: bool) -> None:
    kind = _type(option) if everything else option["type"]
    print_wrapped(f"{option['name']}: {kind}{_default(option)}", "  ")
    notes = [option["description"]]
    notes += ["read at generation only"] if option["at_generation"] else []
    if text := "; ".join(note for note in notes if note):
        if everything:
            print_wrapped(text, "      ")
        else:
            print(f"      {shortened(text, 6)}")


def _type(option: dict[str, Any]) -> str:
    unit = [f"({option['unit']})"] if option["unit"] else []
    bounds = [", ".join(option["bounds"])] if option["bounds"] else []
    return " ".join([option["type"], *bounds, *unit])


def _default(option: dict[str, Any]) -> str:
    if option["required"]:
        return ", required"
    value = option["default"]
    if option["kind"] is not None:
        several = isinstance(value, list)
        return f" = [{', '.join(p['use'] for p in value)}]" if several else f" = {value['use']}"
    return f" = {json.dumps(value, ensure_ascii=False)}"
