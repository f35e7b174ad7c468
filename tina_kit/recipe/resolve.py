"""Names of components become components, their options are checked, every default is filled in."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tina_kit.api import TinaKitError, UserError
from tina_kit.api.component import import_attribute
from tina_kit.api.options import Options, Part
from tina_kit.plugins import Registered, Registry
from tina_kit.plugins.blame import blame
from tina_kit.plugins.registry import UnknownComponent, nearest
from tina_kit.recipe.missing import found
from tina_kit.recipe.node import MOST, Node, Problem, RecipeError, Where
from tina_kit.recipe.numbers import beyond
from tina_kit.store import content_of


@dataclass(frozen=True)
class ResolvedPart:
    """A component with checked options and resolved nested parts, ready to be built."""

    entry: Registered
    options: Options
    children: Mapping[str, ResolvedPart | tuple[ResolvedPart, ...]]
    where: Where

    def build(self) -> Any:
        """A fresh object. Raises TinaKitError when the component's code cannot be imported, and
        UserError with the place in the recipe when it does not take its options."""
        target = self.entry.component.target
        try:
            attribute = import_attribute(target)
        except (ImportError, AttributeError) as error:
            raise TinaKitError(
                f"{self.entry.full_name} ({self.entry.origin}): cannot import {target}: {error}"
            ) from error
        nested = {
            name: tuple(p.build() for p in child) if isinstance(child, tuple) else child.build()
            for name, child in self.children.items()
        }
        try:
            return attribute(self.options, **nested)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error

    def plain(self) -> dict[str, Any]:
        """What a recipe would say, with every default."""
        return {
            "use": self.entry.full_name,
            **self.options.model_dump(mode="json", exclude=set(self.children)),
            **{name: _each(child, ResolvedPart.plain) for name, child in self.children.items()},
        }

    def built_with(self, **changes: Any) -> Any:
        """Built with some options changed."""
        return replace(self, options=self.options.model_copy(update=changes)).build()

    def child(self, option: str) -> ResolvedPart:
        """The nested part of an option that holds one."""
        part = self.children[option]
        assert isinstance(part, ResolvedPart)
        return part

    def rows(self) -> dict[str, str]:
        """The options that name another row of the recipe, where they are given."""
        named = {name for name, field in _fields(self.options) if "row" in _extra(field)}
        values = {name: getattr(self.options, name) for name in sorted(named)}
        return {name: value for name, value in values.items() if value is not None}

    def settings(self, fitting: bool = False) -> dict[str, Any]:
        """What goes into cache keys: no paths, but the fingerprint of what lies there; no names of
        other rows, whose own keys go in. fitting: without the options that fitting ignores."""
        left_out = {
            name
            for name, field in _fields(self.options)
            if _is_path(field)
            or {"row", "aside"} & set(_extra(field))
            or (fitting and "generation" in _extra(field))
        }
        return {
            "use": self.entry.full_name,
            "version": self.entry.component.version,
            "options": self.options.model_dump(mode="json", exclude=left_out | set(self.children)),
            "parts": {name: _each(c, ResolvedPart.settings) for name, c in self.children.items()},
            "fingerprint": self._fingerprint(),
            **({"code": self.entry.content} if self.entry.content else {}),
        }

    def _fingerprint(self) -> str:
        part = self.build()
        try:
            return str(part.fingerprint()) + content_of(part.files())
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error


@dataclass(frozen=True)
class NamedPart:
    """A row of a table: a generator or a study and the name it goes by."""

    name: str
    part: ResolvedPart


def _each(child: ResolvedPart | tuple[ResolvedPart, ...], what: Any) -> Any:
    return [what(part) for part in child] if isinstance(child, tuple) else what(child)


def _said(resolved: ResolvedPart) -> Part:
    """A nested part as its owner's options hold it."""
    return Part(**resolved.plain())


class Resolver:
    """Collects problems instead of stopping at the first."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def part(self, node: Node, kind: str, key: str) -> ResolvedPart | None:
        """Resolve `{use: NAME, option: value, ...}`; None where it cannot be."""
        if isinstance(node.value, str):
            node = Node({"use": node}, node.where)  # `dataset: shapes` for short
        use = node.value.get("use") if isinstance(node.value, dict) else None
        if use is None or not isinstance(use.value, str):
            self.report(node.where, key, f"write the {kind} as {{use: NAME, option: value}}")
            return None
        entry = self._find(use, kind, f"{key}.use")
        model = self._options(entry, use.where, key) if entry else None
        if entry is None or model is None:
            return None
        given = {name: child for name, child in node.items() if name != "use"}
        children, complete = self._nested(model, given, node.where, key)
        plain = {name: child for name, child in given.items() if name not in children}
        options = self.validate(model, Node(plain, node.where), key)
        if options is None or not complete:
            return None
        said = {
            name: tuple(map(_said, child)) if isinstance(child, tuple) else _said(child)
            for name, child in children.items()
        }
        return ResolvedPart(entry, options.model_copy(update=said), children, node.where)

    def validate(self, model: type[Options], node: Node, key: str) -> Any:
        """Check a mapping against its typed options; None where it does not hold."""
        if not isinstance(node.value, dict):
            self.report(node.where, key, "must be a mapping of options")
            return None
        before = len(self.problems)
        values = {name: self._value(model, name, child, key) for name, child in node.items()}
        try:
            # Strict, but with JSON's types: a list is a tuple, a text may be a path, 64 is 64.0.
            options = model.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            for detail in _different(error.errors(include_url=False)):
                self._explain(model, node, key, detail)
            return None
        except Exception as error:  # of a validator of the component's own
            what = f"{type(error).__name__}: {error}"
            self.report(node.where, key, f"the options cannot be checked: {blame(error) or what}")
            return None
        for path in beyond(options.model_dump()):
            name = ".".join(str(step) for step in (key, *path) if step != "")
            self.report(node.at(*path).where, name, "this number is too large for any computation")
        return options if len(self.problems) == before else None

    def report(self, where: Where, key: str, message: str) -> None:
        self.problems.append(Problem(where, key, message))

    def nearest(self, name: str, names: Sequence[str]) -> str:
        """The nearest of the existing names, for a problem that is told."""
        return nearest(name, names) if len(self.problems) < MOST else ""

    def _find(self, use: Node, kind: str, key: str) -> Registered | None:
        try:
            entry = self.registry.get(kind, str(use.value))
        except UnknownComponent as error:
            self.report(use.where, key, str(error))
            return None
        for module, how in entry.missing:
            self.report(use.where, key, f"'{use.value}' needs {module}: {how}")
        return entry

    def _options(self, entry: Registered, where: Where, key: str) -> type[Options] | None:
        try:
            model = import_attribute(entry.component.options)
        except Exception as error:
            self.report(where, key, f"the options of {entry.full_name} cannot be imported: {error}")
            return None
        if not (isinstance(model, type) and issubclass(model, Options)):
            self.report(where, key, f"{entry.component.options} is no subclass of Options")
            return None
        return model

    def _nested(
        self, model: type[Options], given: Mapping[str, Node], where: Where, key: str
    ) -> tuple[dict[str, ResolvedPart | tuple[ResolvedPart, ...]], bool]:
        children: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            kind = _nested_kind(field)
            if kind is None:
                continue
            node = given.get(name) or plain_node(field.get_default(), where)
            if isinstance(field.get_default(), tuple):
                rows = node.value if isinstance(node.value, list) else None
                if rows is None:
                    self.report(node.where, f"{key}.{name}", f"must be a list of {kind}s")
                    rows = []
                children[name] = tuple(self.part(row, kind, f"{key}.{name}") for row in rows)
            else:
                children[name] = self.part(node, kind, f"{key}.{name}")
        found = [p for c in children.values() for p in (c if isinstance(c, tuple) else (c,))]
        return children, None not in found

    def _value(self, model: type[Options], name: str, node: Node, key: str) -> Any:
        value = node.plain()
        field = model.model_fields.get(name)
        if field is not None and _is_path(field) and isinstance(value, str):
            path, wrong = found(value, node.where.folder)
            if wrong:
                self.report(node.where, f"{key}.{name}".lstrip("."), wrong)
            return value if wrong else str(path.resolve())
        return value

    def _explain(self, model: type[Options], node: Node, key: str, detail: Any) -> None:
        path = tuple(detail["loc"])
        where = node.at(*path).where
        name = ".".join(str(step) for step in (key, *path) if step != "")
        if detail["type"] == "extra_forbidden":
            names = list(_model_at(model, path[:-1]).model_fields)
            self.report(
                where, name, f"there is no such option; {self.nearest(str(path[-1]), names)}"
            )
        elif detail["type"] == "missing":
            self.report(where, name, "this option must be given")
        elif detail["type"] == "value_error":
            told = str(detail["ctx"]["error"])  # a part's own words about its options
            self.report(where, name, told)
        elif detail["type"] == "string_pattern_mismatch":
            field = _model_at(model, path[:-1]).model_fields.get(str(path[-1]))
            words = f" ({field.description})" if field and field.description else ""
            pattern = detail["ctx"]["pattern"]
            self.report(where, name, f"'{detail['input']}' does not match '{pattern}'{words}")
        else:
            self.report(
                where,
                name,
                f"{detail['msg'][0].lower()}{detail['msg'][1:]}, not {detail['input']!r}",
            )


def _model_at(model: type[BaseModel], path: Iterable[Any]) -> type[BaseModel]:
    for step in path:
        field = model.model_fields.get(str(step))
        if field is None or not isinstance(field.annotation, type):
            break
        if issubclass(field.annotation, BaseModel):
            model = field.annotation
    return model


def _different(details: Sequence[Any]) -> Iterator[Any]:
    """Without "too few" of a list whose members are wrong, which are left out of the count."""
    around = {detail["loc"][:-1] for detail in details if detail["loc"]}
    for detail in details:
        if not (detail["type"] == "too_short" and detail["loc"] in around):
            yield detail


def plain_node(value: Any, where: Where) -> Node:
    """A default as if it had been written at `where`."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return Node({name: plain_node(child, where) for name, child in value.items()}, where)
    if isinstance(value, (list, tuple)):
        return Node([plain_node(child, where) for child in value], where)
    return Node(value, where)


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _nested_kind(field: FieldInfo) -> str | None:
    kind = _extra(field).get("kind")
    return None if kind is None else str(kind)


def _fields(options: Options) -> Iterable[tuple[str, FieldInfo]]:
    return type(options).model_fields.items()


def _is_path(field: FieldInfo) -> bool:
    annotation = field.annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return Path in get_args(annotation)
    return annotation is Path


def resolve_plain(
    settings: Mapping[str, Any], kind: str, source: str, registry: Registry
) -> ResolvedPart:
    """Resolve `{use: ..., option: ...}` that was written by `ResolvedPart.plain`."""
    resolver = Resolver(registry)
    part = resolver.part(plain_node(settings, Where(source, 0, 0, Path())), kind, kind)
    if part is None:
        raise RecipeError(resolver.problems)
    return part
