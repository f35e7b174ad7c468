"""Writes recipes as a person would: short mappings on one line, comments above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from tina_kit.recipe.yaml12 import dump

_WIDTH = 100
_NONE: Mapping[str, str] = {}


def written(recipe: Mapping[str, Any], comments: Mapping[str, str] = _NONE) -> str:
    """YAML that `parse` reads back as an equal recipe.

    comments: dotted key → the comment above it, without `#`; the key "" is for the top of the file.
    Lines that begin with a space are kept, others are wrapped.
    """
    head = [*_comment(comments.get("", ""), 0)]
    lines: list[str] = []
    for key, value in recipe.items():
        if lines and (key in comments or len(lines[-1]) != len(lines[-1].lstrip())):
            lines.append("")
        lines += _entry(key, value, 0, key, comments)
    return "\n".join([*head, *lines, ""])


def _entry(
    key: str, value: Any, indent: int, path: str, comments: Mapping[str, str]
) -> Iterator[str]:
    yield from _comment(comments.get(path, ""), indent)
    commented = any(each.startswith(f"{path}.") for each in comments)
    if not 0 < len(key) <= _WIDTH or not key.isprintable():  # YAML needs another syntax for these
        yield from (" " * indent + line for line in dump({key: value}).splitlines())
        return
    line = " " * indent + dump({key: value}, flow=True)[1:-1]
    if not isinstance(value, (dict, list)) or not value or (len(line) <= _WIDTH and not commented):
        yield line
        return
    yield " " * indent + f"{dump(key, flow=True)}:"
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _entry(name, child, indent + 2, f"{path}.{name}", comments)
    else:
        for child in value:
            yield from _item(child, indent + 2)


def _item(value: Any, indent: int) -> Iterator[str]:
    line = " " * indent + f"- {dump(value, flow=True)}"
    if not isinstance(value, dict) or not value or len(line) <= _WIDTH:
        yield line
        return
    lead = "- "
    for key, child in value.items():
        first, *rest = _entry(key, child, indent + 2, "", _NONE)
        yield " " * indent + lead + first[indent + 2 :]
        yield from rest
        lead = "  "


def _comment(text: str, indent: int) -> Iterator[str]:
    for line in text.splitlines():
        for piece in [line] if line.startswith(" ") else wrap(line, _WIDTH - indent - 2) or [""]:
            yield " " * indent + f"# {piece}".rstrip()
