"""A recipe as it was written: values that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tina_kit.api import UserError, printable

MOST = 50
"""Errors in a recipe."""
LONGEST = 600
"""Characters of each part of a message."""


@dataclass(frozen=True)
class Where:
    """A place in a file, or an option of the command line (`line` is 0).

    folder: what relative paths written here are relative to. layer: what is written on a higher one
    was laid on what lies below: a recipe on the one that it extends, a profile and `--set` on it.
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
    """A scalar, a dict of Nodes or a list of Nodes. A dict's entry stands where its key does."""

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
        """The same with all places on a layer."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.on(layer) for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.on(layer) for node in value]
        return Node(value, replace(self.where, layer=layer))

    def items(self) -> Iterator[tuple[str, Node]]:
        yield from self.value.items()


@dataclass(frozen=True)
class Problem:
    where: Where
    key: str
    message: str

    def __str__(self) -> str:
        parts = [str(self.where), self.key, self.message]
        return ": ".join(_on_one_line(part) for part in parts if part)


def _on_one_line(text: str) -> str:
    """Without the middle of what is too long to read."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]}"
    return printable(text)


class RecipeError(UserError):
    """Every mistake in a recipe at once, one a line; of very many, the first."""

    def __init__(self, problems: list[Problem]) -> None:
        lines = [str(problem) for problem in problems[:MOST]]
        if len(problems) > MOST:
            lines.append(f"… and {len(problems) - MOST:,} more mistakes")
        super().__init__("\n".join(lines))
        self.problems = problems


def merge(base: Node, over: Node) -> Node:
    """Lay `over` on `base`: mappings are merged, anything else is replaced.

    A mapping that names another component (`use`) replaces the one below, whose options it
    would not understand.
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
