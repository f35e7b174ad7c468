"""A recipe as it was written: values with their locations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tina_kit.api import UserError, printable

MOST = 50
"""Maximum number of mistakes in a message."""
LONGEST = 600
"""Maximum length of location, key and text of a mistake, in characters."""


@dataclass(frozen=True)
class Where:
    """A location in a file, or a command-line option (`line` is 0).

    folder: relative paths written here are relative to it. layer: values of a higher layer override
    those below: a recipe overrides the one that it extends, and a profile and `--set` override it.
    """

    source: str
    line: int
    column: int
    folder: Path
    layer: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Node:
    """A scalar, a dict of Nodes or a list of Nodes. An entry of a dict has the location of its
    key."""

    value: Any
    where: Where

    def plain(self) -> Any:
        """The value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, *path: str | int) -> Node:
        """The nearest existing node on the way to `path`."""
        node = self
        for step in path:
            value = node.value
            if isinstance(value, dict) and step in value:
                node = value[str(step)]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
            else:
                break
        return node

    def on(self, layer: int) -> Node:
        """A copy with all locations on this layer."""
        return self._placed(lambda where: replace(where, layer=layer))

    def on_lower(self, layers: int) -> Node:
        """A copy with all locations so many layers below."""
        return self._placed(lambda where: replace(where, layer=where.layer - layers))

    def _placed(self, place: Callable[[Where], Where]) -> Node:
        value = self.value
        if isinstance(value, dict):
            value = {key: node._placed(place) for key, node in value.items()}
        elif isinstance(value, list):
            value = [node._placed(place) for node in value]
        return Node(value, place(self.where))

    def items(self) -> Iterator[tuple[str, Node]]:
        yield from self.value.items()


@dataclass(frozen=True)
class Problem:
    where: Where
    key: str
    message: str

    def __str__(self) -> str:
        where = str(self.where)
        # An override's place names its key, which need not be said twice.
        pieces = [where, "" if where == f"set {self.key}" else self.key, self.message]
        return ": ".join(_on_one_line(piece) for piece in pieces if piece)


def _on_one_line(text: str) -> str:
    """The text on one line; the middle of long texts is cut out."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}"
    return printable(text)


class RecipeError(UserError):
    """All mistakes in a recipe, one per line, up to MOST."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = [str(problem) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"… and {len(problems) - MOST:,} more mistakes")
        super().__init__("\n".join(lines))
        self.problems = problems


def without(node: Node, *keys: str) -> Node:
    """The mapping without some of its keys."""
    return Node({k: v for k, v in node.items() if k not in keys}, node.where)


def merge(base: Node, over: Node) -> Node:
    """Override `base` with `over`: mappings are merged, anything else is replaced.

    A mapping with a different `use` replaces the one below, because it has other options.
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    ours, theirs = over.value.get("use"), base.value.get("use")
    if ours is not None and theirs is not None and ours.value != theirs.value:
        return over
    merged = dict(base.value)
    for key, node in over.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return Node(merged, over.where)
