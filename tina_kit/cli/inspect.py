"""`list`, `show` and `validate`: what there is. Never imports torch."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tina_kit.api.component import KINDS, import_attribute
from tina_kit.api.errors import UserError
from tina_kit.cli.common import registry

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from tina_kit.plugins import Registered

Kind = Annotated[str | None, typer.Argument(help=f"One of {', '.join(KINDS)}.")]


def list_(
    kind: Kind = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the components that recipes can name."""
    found = registry()
    kinds = KINDS if kind is None else (_kind(kind),)
    entries = [(entry, found.shortest_name(entry)) for k in kinds for entry in found.of_kind(k)]
    if as_json:
        print(json.dumps([_facts(entry) for entry, _ in entries], indent=2))
        return
    width = max((len(name) for _, name in entries), default=0)
    for each in kinds:
        rows = [(e, name) for e, name in entries if e.component.kind == each]
        if kind is None and rows:
            print(f"{each}")
        for entry, name in rows:
            indent = "  " if kind is None else ""
            print(f"{indent}{name.ljust(width)}  {entry.component.summary}")


def show(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="The component's name, or owner/name.")],
) -> None:
    """Show a component: its options with types, defaults and help, and where it comes from."""
    from tina_kit.plugins.registry import UnknownComponent

    try:
        entry = registry().get(_kind(kind), name)
    except UnknownComponent as error:
        raise UserError(str(error)) from None
    component = entry.component
    print(f"{component.kind} {entry.full_name} (version {component.version})")
    print(component.summary)
    print(f"from {entry.origin}, {component.target}")
    if component.needs:
        print(f"needs {', '.join(component.needs)}")
    fields = import_attribute(component.options).model_fields
    if not fields:
        print("\nIt has no options.")
        return
    print("\noptions:")
    for option, field in fields.items():
        print(f"  {option}: {_type(field)}{_default(field)}")
        if field.description:
            print(f"      {field.description}")


def validate(
    recipe: Annotated[Path, typer.Argument(help="A recipe.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override one value: key=value.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the recipe.")] = None,
) -> None:
    """Check a recipe without running it. With profiles, each of them is checked too."""
    from tina_kit.recipe.load import load_recipe, profile_names

    found = registry()
    names = [profile] if profile else [None, *profile_names(recipe)]
    for each in names:
        load_recipe(recipe, found, profile=each, sets=set_ or ())
    profiles = f" ({', '.join(n for n in names if n)})" if any(names) else ""
    print(f"{recipe}: valid{profiles}")


def _kind(text: str) -> str:
    if text in KINDS:
        return text
    if text.removesuffix("s") in KINDS:
        return text.removesuffix("s")
    close = get_close_matches(text, KINDS, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there is {', '.join(KINDS)}"
    raise UserError(f"there is no kind '{text}'; {hint}")


def _facts(entry: Registered) -> dict[str, Any]:
    component = entry.component
    return {
        "kind": component.kind,
        "name": component.name,
        "full_name": entry.full_name,
        "summary": component.summary,
        "version": component.version,
        "needs": list(component.needs),
        "origin": entry.origin,
    }


def _type(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "kind" in extra:
        several = isinstance(field.default, tuple)
        return f"list of {extra['kind']}s" if several else str(extra["kind"])
    annotation = field.annotation
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    text = text.replace("typing.", "").replace("pathlib.", "").replace("_local.", "")
    bounds = [_bound(rule) for rule in field.metadata]
    return " ".join([text, *(bound for bound in bounds if bound)])


def _bound(rule: Any) -> str:
    for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if hasattr(rule, name):
            return f"{sign} {getattr(rule, name)}"
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return " (required)"
    default = field.default
    if isinstance(default, tuple) and all(hasattr(part, "use") for part in default):
        return f" = [{', '.join(part.use for part in default)}]"
    return f" = {default.use if hasattr(default, 'use') else json.dumps(default, default=str)}"
