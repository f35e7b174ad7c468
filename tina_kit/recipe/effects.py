"""Options that were given without effect are refused, and defaults without one not written down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tina_kit.api.options import Options, no_effect
from tina_kit.recipe.node import Node, Problem


def given_in_vain(options: Options, node: Node, key: str) -> Iterator[Problem]:
    """The options that `node` gives without effect, nested ones too.

    What a layer above has made useless may stay: there the option could not be taken out.
    """
    given = dict(node.items())
    for name, reason in options.without_effect().items():
        if name in given:
            where, because = given[name].where, given.get(reason)
            if because is None or because.where.layer <= where.layer:
                yield Problem(where, f"{key}.{name}".lstrip("."), no_effect(options, reason))
    for name, inner in options:
        if isinstance(inner, Options) and name in given:
            yield from given_in_vain(inner, given[name], f"{key}.{name}".lstrip("."))


def said(options: Options, exclude: Collection[str] = ()) -> dict[str, Any]:
    """Options as JSON has them, without defaults that have no effect, so that a recipe that says
    the same is a right one."""
    fields = type(options).model_fields
    idle = {n for n in options.without_effect() if getattr(options, n) == fields[n].get_default()}
    told = options.model_dump(mode="json", exclude={*exclude, *idle})
    nested = {name: inner for name, inner in options if isinstance(inner, Options)}
    return told | {name: said(inner) for name, inner in nested.items() if name in told}
