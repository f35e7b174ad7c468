"""An example of a component in a recipe: a snippet that is right as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tina_kit.api.component import import_attribute
from tina_kit.api.options import Options, Part
from tina_kit.plugins import Registered, Registry
from tina_kit.recipe.schema import LISTS, SLOTS
from tina_kit.recipe.yaml12 import dump

_SAMPLES: dict[Any, Any] = {str: "name", int: 1, float: 1.0, bool: True}


def example(entry: Registered, registry: Registry) -> str:
    """YAML for a recipe that uses the component.

    Options that must be given take their field's first `examples`, else what suits their type;
    one for which nothing does, and a path that must exist, is named in a comment. Where the
    defaults do not go together, options with `examples` are given too.
    """
    comments: list[str] = []
    part = {"use": registry.shortest_name(entry), **_settings(entry, registry, comments)}
    return "".join(f"# {comment}\n" for comment in comments) + dump(_placed(entry, part, registry))


def _placed(entry: Registered, part: dict[str, Any], registry: Registry) -> dict[str, Any]:
    kind = entry.component.kind
    for slot, of in SLOTS.items():
        if of == kind:
            return {slot: part}
    for key, of in LISTS.items():
        if of == kind:
            return {key: [part]}
    host, option, several = _host(kind, registry)
    nested = {
        "use": registry.shortest_name(host),
        **_settings(host, registry, []),
        option: [part] if several else part,
    }
    return _placed(host, nested, registry)


def _host(kind: str, registry: Registry) -> tuple[Registered, str, bool]:
    """A component with an option that holds one of `kind`; those that many know come first."""
    own = sorted(registry.registered, key=lambda e: (e.load is not None, e.component.name))
    for entry in own:
        if entry.component.kind not in (*SLOTS.values(), *LISTS.values()) or entry.load:
            continue
        for name, field in import_attribute(entry.component.options).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("kind") == kind:
                return entry, name, get_origin(field.annotation) is tuple
    raise LookupError(f"no component takes a {kind}")


def _settings(entry: Registered, registry: Registry, comments: list[str]) -> dict[str, Any]:
    model: type[Options] = import_attribute(entry.component.options)
    fields = model.model_fields
    given = {name: _sample(field) for name, field in fields.items() if field.is_required()}
    if _holds(model, given):
        chosen = given
    else:
        shown = {name: field.examples[0] for name, field in fields.items() if field.examples}
        chosen = {**given, **shown}
        if not _holds(model, chosen):
            chosen = {name: value for name, value in chosen.items() if name in shown}
            needed = [name for name in given if name not in chosen]
            comments += [f"{name} must be given: {fields[name].description}" for name in needed]
    for name in chosen:
        if fields[name].annotation is Path:
            comments.append(f"{name} must exist: {fields[name].description}")
    return {**chosen, **_nested(fields, registry, comments)}


def _nested(
    fields: dict[str, FieldInfo], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """Those nested parts whose own defaults are not enough."""
    found = {}
    for name, field in fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "kind" in extra and isinstance(field.default, Part):
            use = field.default.use
            settings = _settings(registry.get(str(extra["kind"]), use), registry, comments)
            found.update({name: {"use": use, **settings}} if settings else {})
    return found


def _sample(field: FieldInfo) -> Any:
    if field.examples:
        return field.examples[0]
    annotation = field.annotation
    if annotation is Path:
        return "path/to/it"
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    lowest = [getattr(rule, "ge", None) for rule in field.metadata]
    if annotation in (int, float) and any(bound is not None for bound in lowest):
        return next(bound for bound in lowest if bound is not None)
    return _SAMPLES.get(annotation)


def _holds(model: type[Options], given: dict[str, Any]) -> bool:
    try:
        model.model_validate(given)
    except ValidationError:
        return False
    return True
