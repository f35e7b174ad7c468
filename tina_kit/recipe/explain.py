"""Describes the options of a component."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from tina_kit.api.component import import_attribute
from tina_kit.api.options import FieldFacts
from tina_kit.plugins import Registered

_BOUNDS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
_NAMES = {"Path": "path", "str": "text", "bool": "true | false", "Any": "anything"}
_LENGTHS = (("min_length", "at least"), ("max_length", "at most"))


def explained(entry: Registered) -> list[dict[str, Any]]:
    """One mapping per option, in declaration order.

    name; type, in words; required; default, as a JSON value; bounds, like "≥ 1"; choices, the
    allowed values if there are only a few; description; unit; kind, of the component that it nests;
    row, the kind of the other row that it names; at_generation.
    """
    model = import_attribute(entry.component.options)
    return [_option(name, field) for name, field in model.model_fields.items()]


def _option(name: str, field: FieldInfo) -> dict[str, Any]:
    facts = FieldFacts.of(field)
    return {
        "name": name,
        "type": _in_words(field, facts),
        "required": field.is_required(),
        "default": None if field.is_required() else plain(field),
        "bounds": list(_bounds(field.metadata)),
        "choices": _choices(field.annotation),
        "description": field.description or "",
        "unit": facts.unit,
        "kind": facts.nested,
        "row": facts.row,
        "at_generation": facts.at_generation,
    }


def plain(field: FieldInfo) -> Any:
    """The default as a JSON value."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, tuple) and all(isinstance(each, BaseModel) for each in value):
        return [each.model_dump(mode="json") for each in value]
    dumped = TypeAdapter(Any).dump_json(value)
    return json.loads(dumped)


def _in_words(field: FieldInfo, facts: FieldFacts) -> str:
    if facts.nested is not None:
        several = get_origin(field.annotation) is tuple
        return f"list of {facts.nested}s" if several else facts.nested
    if facts.row is not None:
        return f"the name of a {facts.row}'s row"
    return _words(field.annotation)


def _words(annotation: Any) -> str:
    """A type in the words of a recipe's author."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(json.dumps(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(_words(argument) for argument in arguments)
    if hasattr(annotation, "__metadata__"):  # Annotated
        return _words(arguments[0])
    if origin is tuple and arguments[-1:] != (...,):
        return f"[{', '.join(_words(argument) for argument in arguments)}]"
    if origin in (tuple, list):
        return f"list of {_words(arguments[0])}"
    if origin is dict or (isinstance(origin, type) and issubclass(origin, dict)):
        return f"mapping of {_words(arguments[0])} to {_words(arguments[1])}"
    if annotation is type(None):
        return "null"
    name = (
        annotation.__name__
        if isinstance(annotation, type)
        else str(annotation).replace("typing.", "")
    )
    return _NAMES.get(name, name)


def _bounds(metadata: Iterable[Any]) -> Iterable[str]:
    for rule in metadata:
        for name, sign in _BOUNDS:
            if getattr(rule, name, None) is not None:
                yield f"{sign} {getattr(rule, name)}"
        for name, words in _LENGTHS:
            if getattr(rule, name, None) is not None:
                yield f"{words} {getattr(rule, name)}"


def _choices(annotation: Any) -> list[Any] | None:
    """The allowed values of a Literal or a bool, including null; None for any other type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return list(arguments)
    if annotation is bool:
        return [True, False]
    if origin in (Union, types.UnionType):
        found = [_choices(a) if a is not type(None) else [None] for a in arguments]
        return None if None in found else [value for each in found for value in each or ()]
    return None
