"""Finds and resolves the paths in a recipe."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from tina_kit.api import Options, user_path
from tina_kit.recipe.node import Node

_PATH_LIKE = (".", "~", "$", "/", os.sep)


def located(node: Node) -> Path:
    """The absolute path that a recipe names, links resolved. Raises UserError as `user_path`."""
    return Path(os.path.realpath(node.where.folder / user_path(str(node.value))))


def resolved(annotation: Any, node: Node, key: str, locate: Callable[[Node, str], str]) -> Any:
    """The plain value of an option, with each path replaced by `locate(node, dotted key)`."""
    kinds = list(_alternatives(annotation))
    if isinstance(node.value, str):
        named = str in kinds and not _means_path(node)
        return node.value if named or not any(map(_is_path, kinds)) else locate(node, key)
    for kind in kinds:
        inner = _inner(kind, node.value)
        if inner is not None:
            found = {k: resolved(inner(k), n, f"{key}.{k}", locate) for k, n in _children(node)}
            return list(found.values()) if isinstance(node.value, list) else found
    return node.plain()


def told_apart(options: Options) -> Options:
    """The options with absolute paths in fields of type `str | Path` converted to `Path`."""
    found = {}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        kinds = _alternatives(field.annotation)
        if isinstance(value, str) and os.path.isabs(value) and any(map(_is_path, kinds)):
            found[name] = Path(value)
    return options.model_copy(update=found) if found else options


def paths_in(options: BaseModel) -> dict[str, Any]:
    """The fields that hold paths, in the form of pydantic's `exclude`."""
    found: dict[str, Any] = {}
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        kinds = set(_leaves(field.annotation))
        if any(map(_is_path, kinds)) and (str not in kinds or _holds_path(value)):
            found[name] = True
        elif isinstance(value, BaseModel) and (inner := paths_in(value)):
            found[name] = inner
        elif isinstance(value, (list, tuple)):
            each = {i: paths_in(v) for i, v in enumerate(value) if isinstance(v, BaseModel)}
            if each := {index: inner for index, inner in each.items() if inner}:
                found[name] = each
    return found


def _means_path(node: Node) -> bool:
    """Whether the text of an option that accepts names and paths is a path."""
    text = str(node.value)
    return text.startswith(_PATH_LIKE) or os.path.lexists(node.where.folder / text)


def _is_path(kind: Any) -> bool:
    kind = get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, os.PathLike)


def _holds_path(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_path, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_path, value))
    return isinstance(value, os.PathLike) or (isinstance(value, str) and os.path.isabs(value))


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, or the type itself."""
    if hasattr(annotation, "__metadata__"):  # Annotated
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for kind in get_args(annotation):
            yield from _alternatives(kind)
    else:
        yield annotation


def _leaves(annotation: Any) -> Iterator[Any]:
    for kind in _alternatives(annotation):
        inner = [argument for argument in get_args(kind) if argument is not Ellipsis]
        if inner and not _is_path(kind):
            for argument in inner:
                yield from _leaves(argument)
        else:
            yield kind


def _inner(kind: Any, value: Any) -> Callable[[Any], Any] | None:
    """A function from index or key to the element type, if `value` is a list or mapping that this
    type accepts; otherwise None."""
    arguments = get_args(kind)
    if isinstance(kind, type) and isinstance(value, dict) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        return lambda key: fields[key].annotation if key in fields else Any
    if not isinstance(get_origin(kind), type):  # for example a Literal
        return None
    if isinstance(value, dict) and len(arguments) == 2 and issubclass(get_origin(kind), Mapping):
        return lambda key: arguments[1]
    if isinstance(value, list) and arguments and get_origin(kind) is tuple:
        if arguments[-1] is not Ellipsis:
            return lambda index: arguments[index] if index < len(arguments) else Any
        return lambda index: arguments[0]
    if isinstance(value, list) and len(arguments) == 1:
        return lambda index: arguments[0]
    return None


def _children(node: Node) -> Iterator[tuple[Any, Node]]:
    yield from enumerate(node.value) if isinstance(node.value, list) else node.items()
