"""An example of a component: a small recipe that is right as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tina_kit.api.component import import_attribute
from tina_kit.api.options import Options, Part
from tina_kit.plugins import Registered, Registry
from tina_kit.plugins.registry import UnknownComponent
from tina_kit.recipe.schema import LISTS, REQUIRED, SLOTS
from tina_kit.recipe.yaml12 import dump

_SAMPLES: dict[Any, Any] = {str: "name", int: 1, float: 1.0, bool: True}
_LIKED = ("shapes", "cnn", "hashed-ngrams", "tina-dit")  # for the places that the part leaves open


def example(entry: Registered, registry: Registry) -> str:
    """A YAML recipe that uses the component, with simple ones in the other places.

    Options that must be given take their field's first `examples`, else what suits their type;
    one for which nothing does, a path, for which "." stands, and a place for a part that is not
    installed are named in a comment. Where the defaults do not go together, options with `examples`
    are given too.
    """
    comments: list[str] = []
    part = {"use": registry.shortest_name(entry), **_settings(entry, registry, comments)}
    recipe = _completed(_placed(entry, part, registry, comments), registry)
    if entry.content:  # of a local file
        recipe = {"plugins": [entry.origin], **recipe}
    return "".join(f"# {comment}\n" for comment in comments) + dump(recipe)


def _completed(given: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """What every recipe must have, in the usual order."""
    whole: dict[str, Any] = {}
    for key, kind in {**SLOTS, **LISTS}.items():
        if key in given:
            whole[key] = given[key]
        elif key in REQUIRED:
            use = {"use": _simple(kind, registry)}
            whole[key] = [use] if key in LISTS else use
    return whole


def _simple(kind: str, registry: Registry) -> str:
    """A component that needs no options, where there is one."""
    for entry in sorted(registry.of_kind(kind), key=_liking):
        model = _model(entry, registry)
        if model and not entry.missing and _holds(model, {}):
            return registry.shortest_name(entry)
    return f"a {kind}"


def _placed(
    entry: Registered, part: dict[str, Any], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    kind = entry.component.kind
    for slot, of in SLOTS.items():
        if of == kind:
            return {slot: part}
    for key, of in LISTS.items():
        if of == kind:
            return {key: [part]}
    found = _host(kind, registry)
    if found is None:
        comments.append(f"nothing that is installed takes a part of the kind {kind}")
        return {}
    host, option, several = found
    nested = {
        "use": registry.shortest_name(host),
        **_settings(host, registry, []),
        option: [part] if several else part,
    }
    return _placed(host, nested, registry, comments)


def _host(kind: str, registry: Registry) -> tuple[Registered, str, bool] | None:
    """A component with an option that holds one of `kind`; those that many know come first."""
    own_first = sorted(registry.registered, key=lambda e: (e.load is not None, *_liking(e)))
    for entry in own_first:
        if entry.component.kind not in (*SLOTS.values(), *LISTS.values()):
            continue
        model = _model(entry, registry)
        for name, field in model.model_fields.items() if model else ():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("kind") == kind:
                return entry, name, get_origin(field.annotation) is tuple
    return None


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
            chosen[name] = "."
            comments.append(f"{name}, your own in place of '.': {fields[name].description}")
    return {**chosen, **_nested(fields, registry, comments)}


def _nested(
    fields: dict[str, FieldInfo], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """Those nested parts whose own defaults are not enough."""
    found = {}
    for name, field in fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "kind" in extra and isinstance(field.default, Part):
            kind, use = str(extra["kind"]), field.default.use
            try:
                part = registry.get(kind, use)
            except UnknownComponent as error:
                comments.append(f"{name}: {error}")
                found[name] = {"use": _simple(kind, registry)}
                continue
            settings = _settings(part, registry, comments)
            found.update({name: {"use": use, **settings}} if settings else {})
    return found


def _model(entry: Registered, registry: Registry) -> type[Options] | None:
    """Its options class; None where its plugin cannot be imported."""
    try:
        registry.get(entry.component.kind, entry.full_name)
        model: type[Options] = import_attribute(entry.component.options)
    except (UnknownComponent, ImportError, AttributeError):
        return None
    return model


def _sample(field: FieldInfo) -> Any:
    if field.examples:
        return field.examples[0]
    annotation = field.annotation
    if annotation is Path:
        return "."
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    lowest = [getattr(rule, "ge", None) for rule in field.metadata]
    if annotation in (int, float) and any(bound is not None for bound in lowest):
        return next(bound for bound in lowest if bound is not None)
    return _SAMPLES.get(annotation)


def _liking(entry: Registered) -> tuple[bool, str]:
    return entry.component.name not in _LIKED, entry.component.name


def _holds(model: type[Options], given: dict[str, Any]) -> bool:
    try:
        model.model_validate(given)
    except ValidationError:
        return False
    return True
