"""Options that were given without effect are refused, and defaults without one not written down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tina_kit.api.options import Options, no_effect
from tina_kit.recipe.node import Node, Problem


def given_in_vain(
    options: Options, node: Node, key: str, varied: Collection[str] = ()
) -> Iterator[Problem]:
    """The options that `node` gives without effect, nested ones too.

    What a layer above has made useless may stay: there the option could not be taken out. So may
    what has an effect in other trials of a study. key: dotted, of the node; varied: see `words_of`.
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
    """All keys and texts in a node. Those of the studies tell which options of the recipe they
    vary, however each study is written."""
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
    """Whether words name an option or something that it is part of. A row of `generators` may be
    named by its component."""
    steps = key.split(".")
    whole = any(".".join(steps[:length]) in words for length in range(1, len(steps) + 1))
    named = [word for word in words if word.startswith(f"{steps[0]}.")]
    return whole or any(word.endswith(f".{steps[-1]}") for word in named)


def said(options: Options, exclude: Collection[str] = ()) -> dict[str, Any]:
    """Options as JSON has them, without defaults that have no effect, so that a recipe that says
    the same is a right one."""
    fields = type(options).model_fields
    idle = {n for n in options.without_effect() if getattr(options, n) == fields[n].get_default()}
    shown = options.model_dump(mode="json", exclude={*exclude, *idle})
    nested = {name: inner for name, inner in options if isinstance(inner, Options)}
    return shown | {name: said(inner) for name, inner in nested.items() if name in shown}
