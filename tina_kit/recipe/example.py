"""Writes an example of a component: a small, valid recipe that uses it."""

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
# Preferred for the rest of the recipe, and for nesting the component.
_LIKED = ("shapes", "cnn", "hashed-ngrams", "class-means", "tina-dit")


def example(entry: Registered, registry: Registry) -> str:
    """A YAML recipe that uses the component, with simple components everywhere else.

    It is valid as it is, or comments say what to fill in. Required options take the first of their
    field's `examples`, or a value that suits their type. Comments name paths ("." if there is no
    example), options for which no value suits, and keys for which no component is installed. If
    the defaults are invalid together, other options with `examples` are set, too. The other
    components always set theirs, which keeps them small.
    """
    comments: list[str] = []
    component = {"use": registry.shortest_name(entry), **_settings(entry, registry, comments)}
    placed = _placed(entry, component, registry, comments)
    recipe = _completed(placed, _beside(entry), registry, comments)
    if entry.content:  # a local plugin file
        recipe = {"plugins": [entry.origin], **recipe}
    return "".join(f"# {comment}\n" for comment in comments) + dump(recipe)


def _beside(entry: Registered) -> dict[str, str]:
    """What the component needs elsewhere in the recipe: key → component."""
    model: type[Options] = import_attribute(entry.component.options)
    return dict(model.beside)


def _completed(
    given: dict[str, Any], beside: dict[str, str], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """The recipe with all required keys and those in `beside`, in the usual order."""
    whole: dict[str, Any] = {}
    for key, kind in {**SLOTS, **LISTS}.items():
        if key in given:
            whole[key] = given[key]
        elif key in REQUIRED or key in beside:
            component = _filling(key, kind, beside.get(key), registry, comments)
            whole[key] = [component] if key in LISTS else component
    return whole


def _filling(
    place: str,
    kind: str,
    use: str | None,
    registry: Registry,
    comments: list[str],
    small: bool = True,
) -> dict[str, Any]:
    """The component of this name, or else one that needs no options."""
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
    """Whether its defaults suffice with what is installed."""
    model = _model(entry, registry)
    if model is None or entry.missing or not _is_valid(model, {}):
        return False
    for _, kind, components in _nests(model.model_fields):
        for component in components:
            try:
                inner = registry.get(kind, component.use)
            except UnknownComponent:
                return False
            if not _needs_nothing(inner, registry):
                return False
    return True


def _placed(
    entry: Registered, written: dict[str, Any], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """The component under its key of the recipe, nested in others if need be."""
    kind = entry.component.kind
    for slot, of in SLOTS.items():
        if of == kind:
            return {slot: written}
    for key, of in LISTS.items():
        if of == kind:
            return {key: [written]}
    found = _host(kind, registry)
    if found is None:
        comments.append(f"no installed component nests a component of the kind {kind}")
        return {}
    host, option, several = found
    nested = {
        "use": registry.shortest_name(host),
        **_settings(host, registry, comments, small=True, but=option),
        option: [written] if several else written,
    }
    return _placed(host, nested, registry, comments)


def _host(kind: str, registry: Registry) -> tuple[Registered, str, bool] | None:
    """A component with an option that nests one of `kind`, well-known ones first: the component,
    the option, and whether it holds several."""
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
    """The options of one component. small: set optional ones with `examples`, too. but: an option
    to leave to the caller."""
    comments += [f"{entry.component.name} needs {need}: {how}" for need, how in entry.missing]
    model: type[Options] = import_attribute(entry.component.options)
    fields = {name: field for name, field in model.model_fields.items() if name != but}
    given = {name: _sample(field) for name, field in fields.items() if field.is_required()}
    shown = {name: _sample(field) for name, field in fields.items() if field.examples}
    chosen = given if _is_valid(model, given) and not small else {**given, **shown}
    if not _is_valid(model, chosen):
        chosen = {name: value for name, value in chosen.items() if name in shown}
        needed = [name for name in given if name not in chosen]
        comments += [f"{name} must be given: {fields[name].description}" for name in needed]
    for name, value in chosen.items():
        if Path in (fields[name].annotation, *get_args(fields[name].annotation)):
            comments.append(f"replace '{value}' with your own {name}: {fields[name].description}")
    return {**chosen, **_nested(fields, registry, comments)}


def _nests(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[str, str, tuple[ComponentSpec, ...]]]:
    """The options that nest components: name, kind, default components."""
    for name, field in fields.items():
        kind = FieldFacts.of(field).nested
        if kind is not None and not field.is_required():
            default = field.default
            yield name, kind, default if isinstance(default, tuple) else (default,)


def _nested(
    fields: Mapping[str, FieldInfo], registry: Registry, comments: list[str]
) -> dict[str, Any]:
    """The nested components whose own defaults do not suffice."""
    found: dict[str, Any] = {}
    for name, kind, nested in _nests(fields):
        filled = [
            _filling(name, kind, each.use, registry, comments, small=False) for each in nested
        ]
        if filled != [{"use": each.use} for each in nested]:
            found[name] = filled if get_origin(fields[name].annotation) is tuple else filled[0]
    return found


def _model(entry: Registered, registry: Registry) -> type[Options] | None:
    """Its options class, None if it cannot be imported."""
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


def _is_valid(model: type[Options], given: dict[str, Any]) -> bool:
    try:
        model.model_validate(given)
    except ValidationError:
        return False
    return True
