"""An example of a component: a small recipe that validates as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from tina_kit.api.component import OWN, import_attribute
from tina_kit.api.options import ComponentSpec, FieldFacts, Options
from tina_kit.plugins import Registered, Registry
from tina_kit.plugins.registry import UnknownComponent
from tina_kit.recipe.schema import LISTS, REQUIRED, SLOTS
from tina_kit.recipe.yaml12 import dump

_SAMPLES: dict[Any, Any] = {str: "name", int: 1, float: 1.0, bool: True}
# For the places that the part leaves open; what nests the part, too.
_LIKED = ("shapes", "cnn", "hashed-ngrams", "class-means", "tina-dit")


def example(entry: Registered, registry: Registry) -> str:
    """A YAML recipe that uses the component, with simple ones in the other places.

    It validates as it stands, or a comment says what to put in: options that must be given take
    their field's first `examples`, else what suits their type; one for which nothing does, a path,
    for which "." stands where there is no example, and a place for a part that is not installed are
    named. Where the defaults do not go together, options with `examples` are given too, and always
    those of parts in the other places, which keeps these small.
    """
    comments: list[str] = []
    part = {"use": registry.shortest_name(entry), **_settings(entry, registry, comments)}
    placed = _placed(entry, part, registry, comments)
    recipe = _completed(placed, _beside(entry), registry, comments)
    if entry.content:  # of a local file
        recipe = {"plugins": [entry.origin], **recipe}
    return "".join(f"# {comment}\n" for comment in comments) + dump(recipe)


def _beside(entry: Registered) -> dict[str, str]:
    """What must stand in other places of the recipe: key → component."""
    model: type[Options] = import_attribute(entry.component.options)
    return dict(model.beside)


def _completed(
    given: dict[str, Any], beside: dict[str, str], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """What every recipe must have, and what must stand beside the part, in the usual order."""
    whole: dict[str, Any] = {}
    for key, kind in {**SLOTS, **LISTS}.items():
        if key in given:
            whole[key] = given[key]
        elif key in REQUIRED or key in beside:
            part = _filling(key, kind, beside.get(key), registry, comments)
            whole[key] = [part] if key in LISTS else part
    return whole


def _filling(
    place: str,
    kind: str,
    use: str | None,
    registry: Registry,
    comments: list[str],
    small: bool = True,
) -> dict[str, Any]:
    """The part of this name; else one that needs no options, where there is one."""
    if use is not None:
        try:
            entry = registry.get(kind, use)
        except UnknownComponent as error:
            comments.append(f"{place}: {error}")
        else:
            return {"use": use, **_settings(entry, registry, comments, small)}
    for entry in sorted(registry.of_kind(kind), key=_liking):
        if _needs_nothing(entry, registry):
            settings = _settings(entry, registry, comments, small)
            return {"use": registry.shortest_name(entry), **settings}
    comments.append(f"{place}: no {kind} is installed that needs no options")
    return {"use": f"{'an' if kind.startswith('a') else 'a'} {kind}"}


def _needs_nothing(entry: Registered, registry: Registry) -> bool:
    """Whether its defaults are enough, with what is installed."""
    model = _model(entry, registry)
    if model is None or entry.missing or not _holds(model, {}):
        return False
    for _, kind, parts in _nests(model.model_fields):
        for part in parts:
            try:
                inner = registry.get(kind, part.use)
            except UnknownComponent:
                return False
            if not _needs_nothing(inner, registry):
                return False
    return True


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
        **_settings(host, registry, comments, small=True, but=option),
        option: [part] if several else part,
    }
    return _placed(host, nested, registry, comments)


def _host(kind: str, registry: Registry) -> tuple[Registered, str, bool] | None:
    """A component with an option that holds one of `kind`; those that many know come first."""
    own_first = sorted(registry.registered, key=lambda e: (e.owner != OWN, *_liking(e)))
    for entry in own_first:
        if entry.component.kind not in (*SLOTS.values(), *LISTS.values()):
            continue
        model = _model(entry, registry)
        for name, field in model.model_fields.items() if model else ():
            if FieldFacts.of(field).nested == kind:
                return entry, name, get_origin(field.annotation) is tuple
    return None


def _settings(
    entry: Registered, registry: Registry, comments: list[str], small: bool = False, but: str = ""
) -> dict[str, Any]:
    """Of one part. small: with the `examples` of options that need not be given. but: an option
    that is none of its business."""
    comments += [f"{entry.component.name} needs {need}: {how}" for need, how in entry.missing]
    model: type[Options] = import_attribute(entry.component.options)
    fields = {name: field for name, field in model.model_fields.items() if name != but}
    given = {name: _sample(field) for name, field in fields.items() if field.is_required()}
    shown = {name: _sample(field) for name, field in fields.items() if field.examples}
    chosen = given if _holds(model, given) and not small else {**given, **shown}
    if not _holds(model, chosen):
        chosen = {name: value for name, value in chosen.items() if name in shown}
        needed = [name for name in given if name not in chosen]
        comments += [f"{name} must be given: {fields[name].description}" for name in needed]
    for name, value in chosen.items():
        if Path in (fields[name].annotation, *get_args(fields[name].annotation)):
            text = fields[name].description
            comments.append(f"{name}, your own in place of '{value}': {text}")
    return {**chosen, **_nested(fields, registry, comments)}


def _nests(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, str, tuple[ComponentSpec, ...]]]:
    """The options that hold parts: name, kind, the parts that are the default."""
    for name, field in fields.items():
        kind = FieldFacts.of(field).nested
        if kind is not None and not field.is_required():
            default = field.default
            yield name, kind, default if isinstance(default, tuple) else (default,)


def _nested(
    fields: Mapping[str, FieldInfo], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """Those nested parts whose own defaults are not enough."""
    found: dict[str, Any] = {}
    for name, kind, parts in _nests(fields):
        ways = [_filling(name, kind, part.use, registry, comments, small=False) for part in parts]
        if ways != [{"use": part.use} for part in parts]:
            found[name] = ways if get_origin(fields[name].annotation) is tuple else ways[0]
    return found


def _model(entry: Registered, registry: Registry) -> type[Options] | None:
    """Its options class; None where it cannot be imported."""
    try:
        registry.get(entry.component.kind, entry.full_name)
        model: type[Options] = import_attribute(entry.component.options)
    except UnknownComponent:
        return None
    return model


def _sample(field: FieldInfo) -> Any:
    if field.examples:
        shown = field.examples[0]
        return str(shown) if isinstance(shown, Path) else shown
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
