"""Resolves component names, checks their options and fills in every default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tina_kit.api import UserError
from tina_kit.api.component import import_attribute
from tina_kit.api.options import UNCHECKED, ComponentSpec, FieldFacts, Options
from tina_kit.plugins import Registered, Registry
from tina_kit.plugins.blame import blame
from tina_kit.plugins.registry import UnknownComponent, nearest
from tina_kit.recipe.component import ResolvedComponent
from tina_kit.recipe.effects import given_in_vain
from tina_kit.recipe.missing import absent
from tina_kit.recipe.node import MOST, Node, Problem, RecipeError, Where
from tina_kit.recipe.numbers import beyond
from tina_kit.recipe.paths import located, resolved, told_apart


def _said(resolved: ResolvedComponent) -> ComponentSpec:
    """A nested component in the form that its owner's options hold."""
    return ComponentSpec(**resolved.plain())


class Resolver:
    """Collects problems instead of stopping at the first.

    recorded: whether a run wrote the recipe, with every default, so that options without effect
    are accepted; varied: see `words_of`; elsewhere: whether it may come from another machine, whose
    paths need not exist here.
    """

    def __init__(
        self,
        registry: Registry,
        recorded: bool = False,
        varied: Iterable[str] = (),
        elsewhere: bool = False,
    ) -> None:
        self.registry = registry
        self.recorded = recorded
        self.varied = frozenset(varied)
        self.elsewhere = elsewhere
        self.problems: list[Problem] = []

    def component(self, node: Node, kind: str, key: str) -> ResolvedComponent | None:
        """Resolve `{use: NAME, option: value, ...}`; None after reporting a problem."""
        if isinstance(node.value, str):
            node = Node({"use": node}, node.where)  # shorthand, like `dataset: shapes`
        use = node.value.get("use") if isinstance(node.value, dict) else None
        if use is None or not isinstance(use.value, str):
            self.report(node.where, key, f"write the {kind} as {{use: NAME, option: value}}")
            return None
        entry = self._find(use, kind, f"{key}.use")
        if entry is None:
            return None
        model: type[Options] = import_attribute(entry.component.options)
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
        return ResolvedComponent(entry, options.model_copy(update=said), children, node.where)

    def validate(self, model: type[Options], node: Node, key: str) -> Any:
        """Validate a mapping as typed options; None after reporting a problem."""
        if not isinstance(node.value, dict):
            self.report(node.where, key, "must be a mapping of options")
            return None
        before = len(self.problems)
        values = {name: self._value(model, name, child, key) for name, child in node.items()}
        try:
            # Strict, but with JSON's types: lists may be tuples, strings paths, and 64 a float.
            text = json.dumps(values)
            options = told_apart(model.model_validate_json(text, strict=True, context=UNCHECKED))
            if self.recorded:
                # Treat all options as defaults: a component may check which were given.
                options.__pydantic_fields_set__.clear()
            else:
                self.problems += given_in_vain(options, node, key, self.varied)
        except ValidationError as error:
            for detail in _different(error.errors(include_url=False)):
                self._explain(model, node, key, detail)
            return None
        except Exception as error:  # raised by a validator of the component's own
            what = f"{type(error).__name__}: {error}"
            self.report(node.where, key, f"the options cannot be checked: {blame(error) or what}")
            return None
        for path in beyond(options.model_dump()):
            name = ".".join(str(step) for step in (key, *path) if step != "")
            self.report(node.at(*path).where, name, "this number is too large")
        return options if len(self.problems) == before else None

    def report(self, where: Where, key: str, message: str) -> None:
        self.problems.append(Problem(where, key, message))

    def nearest(self, name: str, names: Sequence[str]) -> str:
        """See `registry.nearest`; skipped once there are more problems than are shown."""
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

    def _nested(
        self, model: type[Options], given: Mapping[str, Node], where: Where, key: str
    ) -> tuple[dict[str, ResolvedComponent | tuple[ResolvedComponent, ...]], bool]:
        children: dict[str, Any] = {}
        for name, field in model.model_fields.items():
            kind = FieldFacts.of(field).nested
            if kind is None:
                continue
            node = given.get(name) or plain_node(field.get_default(), where)
            if isinstance(field.get_default(), tuple):
                rows = node.value if isinstance(node.value, list) else None
                if rows is None:
                    self.report(node.where, f"{key}.{name}", f"must be a list of {kind}s")
                    rows = []
                children[name] = tuple(self.component(row, kind, f"{key}.{name}") for row in rows)
            else:
                children[name] = self.component(node, kind, f"{key}.{name}")
        found = [p for c in children.values() for p in (c if isinstance(c, tuple) else (c,))]
        return children, None not in found

    def _value(self, model: type[Options], name: str, node: Node, key: str) -> Any:
        field = model.model_fields.get(name)
        if field is None:
            return node.plain()
        return resolved(field.annotation, node, f"{key}.{name}".lstrip("."), self._path)

    def _path(self, node: Node, key: str) -> str:
        """The absolute path of an existing file or folder."""
        if self.elsewhere:
            return str(node.value)
        try:
            path = located(node)
            wrong = absent(path)
        except UserError as error:
            wrong = str(error)
        if wrong:
            self.report(node.where, key, wrong)
            return str(node.value)
        return str(path)

    def _explain(self, model: type[Options], node: Node, key: str, detail: Any) -> None:
        path = tuple(step for step in detail["loc"] if step != "[key]")  # as pydantic marks a key
        where = node.at(*path).where
        name = ".".join(str(step) for step in (key, *path) if step != "")
        if detail["type"] == "extra_forbidden":
            names = list(_model_at(model, path[:-1]).model_fields)
            self.report(where, name, f"unknown option; {self.nearest(str(path[-1]), names)}")
        elif detail["type"] == "missing":
            self.report(where, name, "this option is required")
        elif detail["type"] == "value_error":
            self.report(where, name, str(detail["ctx"]["error"]))  # the component's own message
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
    """The model of the options there, as far as there is one; the values of a mapping have one."""
    names = iter(path)
    for name in names:
        field = model.model_fields.get(str(name))
        if field is None:
            break
        kind: Any = field.annotation
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            next(names, None)
        if not isinstance(kind, type):
            break
        if issubclass(kind, BaseModel):
            model = kind
    return model


def _different(details: Sequence[Any]) -> Iterator[Any]:
    """Without "too short" errors of lists with invalid items, which pydantic does not count."""
    around = {detail["loc"][:-1] for detail in details if detail["loc"]}
    for detail in details:
        if not (detail["type"] == "too_short" and detail["loc"] in around):
            yield detail


def plain_node(value: Any, where: Where) -> Node:
    """A plain value as a node with the location `where`."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return Node({name: plain_node(child, where) for name, child in value.items()}, where)
    if isinstance(value, (list, tuple)):
        return Node([plain_node(child, where) for child in value], where)
    return Node(value, where)


def resolve_plain(
    settings: Mapping[str, Any],
    kind: str,
    source: str,
    registry: Registry,
    elsewhere: bool = False,
) -> ResolvedComponent:
    """Resolve the output of `ResolvedComponent.plain`. elsewhere: whether it may come from another
    machine, whose paths do not exist here."""
    resolver = Resolver(registry, recorded=True, elsewhere=elsewhere)
    component = resolver.component(plain_node(settings, Where(source, 0, 0, Path())), kind, kind)
    if component is None:
        raise RecipeError(resolver.problems)
    return component
