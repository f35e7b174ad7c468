"""What the shell completes. Nothing here may fail: without an answer there is no completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tina_kit.api.component import KINDS

if TYPE_CHECKING:
    from tina_kit.plugins import Registry
    from tina_kit.recipe.node import Node

PLUGIN_KINDS = (*KINDS, "observer", "command")
"""What a plugin may bring."""
Pairs = list[tuple[str, str]]


def _quietly(complete: Callable[..., Pairs]) -> Callable[..., Pairs]:
    @wraps(complete)
    def safe(*given: Any, **named: Any) -> Pairs:
        try:
            return complete(*given, **named)
        except Exception:
            return []

    return safe


@_quietly
def kinds(incomplete: str) -> Pairs:
    return [(kind, "") for kind in KINDS if kind.startswith(incomplete)]


@_quietly
def kinds_of_a_plugin(incomplete: str) -> Pairs:
    """Observers and commands, too, which are not components."""
    return [(kind, "") for kind in PLUGIN_KINDS if kind.startswith(incomplete)]


@_quietly
def components(ctx: typer.Context, incomplete: str) -> Pairs:
    """Names of the kind that was given before, with their summaries."""
    found, kind = _registry(), str(ctx.params.get("kind") or "").removesuffix("s")
    return [
        (found.shortest_name(entry), entry.component.summary)
        for entry in found.of_kind(kind)
        if found.shortest_name(entry).startswith(incomplete)
    ]


@_quietly
def recipes(incomplete: str) -> Pairs:
    return _paths(incomplete, (".yaml", ".yml")) + shipped(incomplete)


@_quietly
def shipped(incomplete: str) -> Pairs:
    from tina_kit.recipe.shipped import shipped

    return [(each.name, "") for each in shipped() if each.name.startswith(incomplete)]


@_quietly
def files(incomplete: str) -> Pairs:
    return _paths(incomplete, (".py",))


@_quietly
def models(incomplete: str) -> Pairs:
    return _paths(incomplete, (".safetensors",))


@_quietly
def devices(incomplete: str) -> Pairs:
    return [(name, "") for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete)]


@_quietly
def profiles(ctx: typer.Context, incomplete: str) -> Pairs:
    from tina_kit.recipe.load import profiles_of, source_of

    names = profiles_of(source_of(_recipe(ctx)))
    return [(name, "") for name in names if name.startswith(incomplete)]


@_quietly
def settings(ctx: typer.Context, incomplete: str) -> Pairs:
    """The keys that `--set` can change in the recipe, up to the `=`."""
    from tina_kit.recipe.load import source_of

    source = source_of(_recipe(ctx))
    return [(f"{key}=", text) for key, text in _keys(source) if key.startswith(incomplete)]


def _recipe(ctx: typer.Context) -> Path:
    # Where an option still lacks its value, no argument has been given its name yet.
    words = [ctx.params.get("recipe"), *ctx.args]
    from tina_kit.recipe.shipped import recipe_file

    paths = (recipe_file(Path(os.path.expanduser(str(word)))) for word in words if word)
    return next(path for path in paths if path.is_file())


def _keys(source: Node) -> Iterator[tuple[str, str]]:
    from tina_kit.recipe.node import Node
    from tina_kit.recipe.overrides import components_of, part_name
    from tina_kit.recipe.schema import LISTS, SLOTS, CoreOptions

    found = _registry()
    yield from _fields("", CoreOptions)
    for slot, kind in SLOTS.items():
        yield from _options(found, kind, source.value.get(slot), slot)
    for key, kind in LISTS.items():
        rows = source.value.get(key)
        if rows is not None and isinstance(rows.value, list):
            for row, used in zip(rows.value, components_of(rows)):
                name = f"{key}.{part_name(row)}"
                yield from _options(found, kind, Node(used, row.where), name)


def _options(found: Registry, kind: str, node: Node | None, key: str) -> Iterator[tuple[str, str]]:
    from tina_kit.api.component import import_attribute
    from tina_kit.plugins.registry import UnknownComponent

    settings = node.plain() if node is not None else {}
    fallback = "balanced-permutations" if kind == "task-sampler" else None
    use = settings.get("use", fallback) if isinstance(settings, dict) else settings
    for entry in found.of_kind(kind):
        if use in (entry.component.name, entry.full_name):
            with suppress(UnknownComponent):  # its options cannot be imported
                found.get(kind, entry.full_name)
                yield from _fields(f"{key}.", import_attribute(entry.component.options))


def _fields(prefix: str, model: Any) -> Iterator[tuple[str, str]]:
    from pydantic import BaseModel

    for name, field in model.model_fields.items():
        nested = field.annotation
        if (
            isinstance(nested, type)
            and issubclass(nested, BaseModel)
            and nested.model_fields.keys() - {"use"}
        ):
            yield from _fields(f"{prefix}{name}.", nested)
        else:
            yield f"{prefix}{name}", field.description or ""


def _registry() -> Registry:
    from tina_kit.plugins import discover

    return discover()


def _paths(incomplete: str, suffixes: tuple[str, ...]) -> Pairs:
    folder, start = Path(incomplete), ""
    if incomplete and not incomplete.endswith("/"):
        folder, start = folder.parent, folder.name
    found = []
    for path in sorted(folder.expanduser().iterdir()):
        hidden = path.name.startswith(".") and not start.startswith(".")
        if hidden or not path.name.startswith(start):
            continue
        shown = incomplete[: len(incomplete) - len(start)] + path.name
        if path.is_dir():
            found.append((f"{shown}/", ""))
        elif path.suffix in suffixes:
            found.append((shown, ""))
    return found
