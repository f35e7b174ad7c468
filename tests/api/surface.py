"""The public surface of `tina_kit.api` as plain data.

Run `python -m tests.api.surface` from the repository to record it in surface.json.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

from tina_kit import api

RECORD = Path(__file__).with_name("surface.json")


def surface() -> dict[str, Any]:
    """API_VERSION, and what each public name is: signatures, fields, members."""
    names = sorted(set(api.__all__) - {"API_VERSION"})
    described = {name: _described(getattr(api, name)) for name in names}
    return {"API_VERSION": api.API_VERSION, "names": described}


def _described(thing: Any) -> Any:
    if not inspect.isclass(thing):
        if inspect.isfunction(thing):
            return str(inspect.signature(thing))
        told = repr(thing)
        return type(thing).__name__ if told.startswith("<") else told
    told: dict[str, Any] = {"bases": [base.__name__ for base in thing.__bases__]}
    if dataclasses.is_dataclass(thing):
        told["fields"] = {field.name: _field(field) for field in dataclasses.fields(thing)}
    if abstract := sorted(getattr(thing, "__abstractmethods__", ())):
        told["abstract"] = abstract
    told["members"] = dict(sorted(_members(thing)))
    return told


def _field(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.type} = {field.default!r}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.type} = {field.default_factory.__name__}()"
    return str(field.type)


def _members(thing: type) -> list[tuple[str, str]]:
    """What the class itself adds: annotations, methods, properties."""
    own = vars(thing)
    fields = {f.name for f in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else ()
    found = [
        (name, f"{annotation}{_default(own, name)}")
        for name, annotation in inspect.get_annotations(thing).items()
        if not name.startswith("_") and name not in fields
    ]
    for name, value in own.items():
        if name.startswith("_") and name not in ("__call__", "__init__"):
            continue
        if name == "__init__" and dataclasses.is_dataclass(thing):
            continue
        if name == "__init__" and not value.__module__.startswith("tina_kit"):
            continue  # what typing gives a Protocol
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if inspect.isfunction(plain):
            found.append((name, str(inspect.signature(plain))))
        elif isinstance(plain, property) or hasattr(plain, "func"):  # cached_property
            getter = plain.fget if isinstance(plain, property) else plain.func
            found.append((name, f"property -> {inspect.signature(getter).return_annotation}"))
    return found


def _default(own: Any, name: str) -> str:
    """pydantic keeps its fields' defaults elsewhere."""
    fields = own.get("__pydantic_fields__", {})
    if name in fields:
        return "" if fields[name].is_required() else f" = {fields[name].default!r}"
    if name not in own:
        return ""
    value = own[name]  # a set has no order of its own
    return (
        f" = {{{', '.join(map(repr, sorted(value)))}}}"
        if isinstance(value, frozenset)
        else f" = {value!r}"
    )


if __name__ == "__main__":
    RECORD.write_text(json.dumps(surface(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
