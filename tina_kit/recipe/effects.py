"""Rejects options that are given without effect, and leaves out defaults without effect."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tina_kit.api.options import Options, no_effect
from tina_kit.recipe.node import Node, Problem


def given_in_vain(
    options: Options, node: Node, key: str, varied: Collection[str] = ()
) -> Iterator[Problem]:
    """The options that `node` gives without effect, including nested ones.

    An option that a higher layer has made useless is accepted, since that layer cannot remove it;
    so is one that has an effect in other trials of a study. key: dotted key of the node; varied:
    see `words_of`.
    """
    given = dict(node.items())
    for name, reason in options.without_effect().items():
        if name in given:
            where, because = given[name].where, given.get(reason)
            later = because is not None and because.where.layer > where.layer
            if not later and not _varies(f"{key}.{reason}".lstrip("."), varied):
                yield Problem(where, f"{key}.{name}".lstrip("."), no_effect(options, reason))
    for name, inner in options:
        if isinstance(inner, Options) and name in given:
            yield from given_in_vain(inner, given[name], f"{key}.{name}".lstrip("."), varied)


def words_of(node: Node | None) -> Iterator[str]:
    """All keys and strings in a node. Those of the studies tell which options they vary, whatever
    the options of each study are called."""
    if node is None:
        return
    if isinstance(node.value, dict):
        for key, child in node.items():
            yield key
            yield from words_of(child)
    elif isinstance(node.value, list):
        for child in node.value:
            yield from words_of(child)
    elif isinstance(node.value, str):
        yield node.value


def _varies(key: str, words: Collection[str]) -> bool:
    """Whether words name an option or something that contains it. A row of `generators` may be
    named by its component."""
    steps = key.split(".")
    whole = any(".".join(steps[:length]) in words for length in range(1, len(steps) + 1))
    named = [word for word in words if word.startswith(f"{steps[0]}.")]
    return whole or any(word.endswith(f".{steps[-1]}") for word in named)


def said(options: Options, exclude: Collection[str] = ()) -> dict[str, Any]:
    """Options as JSON values, without defaults that have no effect, so that a recipe with these
    options is valid."""
    fields = type(options).model_fields
    idle = {n for n in options.without_effect() if getattr(options, n) == fields[n].get_default()}
    values = options.model_dump(mode="json", exclude={*exclude, *idle})
    nested = {name: inner for name, inner in options if isinstance(inner, Options)}
    return values | {name: said(inner) for name, inner in nested.items() if name in values}
