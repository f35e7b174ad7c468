"""YAML 1.2 with node positions.

PyYAML reads YAML 1.1, a trap for scientists: `3e-4` is a string there, `no` is False, `010` is 8,
`1:30` is 90, and of two equal keys the last one wins. Here scalars follow YAML 1.2's core schema,
equal keys are refused, and so is every tag: YAML never runs code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tina_kit.recipe.node import Node, Problem, RecipeError, Where

_PREFIX = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


class _Core(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (PyYAML's own way)


for _name, _pattern, _first in _SCALARS:
    _Core.add_implicit_resolver(
        _PREFIX + _name, re.compile(rf"^(?:{_pattern})$"), [*_first, ""][: len(_first) + 1]
    )


def parse(text: str, source: str, folder: Path) -> Node:
    """Parse one document. Raises RecipeError naming line and column."""
    try:
        root = yaml.compose(text, Loader=_Core)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        where = Where(source, line, column, folder)
        raise RecipeError([Problem(where, "", f"this is no YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        where = Where(source, 1, 1, folder)
        raise RecipeError([Problem(where, "", f"this is no YAML: {error}")]) from None
    converter = _Converter(source, folder)
    node = Node({}, Where(source, 1, 1, folder)) if root is None else converter.convert(root, ())
    if converter.problems:
        raise RecipeError(converter.problems)
    return node


class _Writer(yaml.SafeDumper):
    """Quotes every text that either version of YAML would read as something else."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own way)
        first: list(rules) for first, rules in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


for _name, _pattern, _first in _SCALARS:
    _Writer.add_implicit_resolver(_PREFIX + _name, re.compile(rf"^(?:{_pattern})$"), [*_first])


class _OneLine(_Writer):
    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if len(text.splitlines()) > 1 or text.endswith("\n") else None
        return self.represent_scalar(f"{_PREFIX}str", text, style)


_OneLine.add_representer(str, _OneLine.represent_text)


def dump(value: Any, flow: bool = False) -> str:
    """Plain dicts, lists and scalars as YAML that `parse` reads back as the same.

    flow: on one line, however long.
    """
    if not flow:
        return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True)
    text = yaml.dump(
        value,
        Dumper=_OneLine,
        default_flow_style=True,
        width=float("inf"),
        sort_keys=False,
        allow_unicode=True,
    )
    return text.removesuffix("...\n").rstrip("\n")


def parse_scalar(text: str, where: Where) -> Node:
    """Parse the value of a `--set`; everything in it stands at `where`."""
    node = parse(text, where.source, where.folder) if text else Node(None, where)
    return _moved(node, where)


def _moved(node: Node, where: Where) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _moved(child, where) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_moved(child, where) for child in value]
    return Node(value, where)


class _Converter:
    def __init__(self, source: str, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.problems: list[Problem] = []

    def convert(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Node:
        where = self._where(node)
        if node in above:
            self._report(node, "an alias may not hold itself")
            return Node(None, where)
        above = (*above, node)
        if isinstance(node, yaml.MappingNode) and node.tag == _PREFIX + "map":
            return Node(self._mapping(node, above), where)
        if isinstance(node, yaml.SequenceNode) and node.tag == _PREFIX + "seq":
            return Node([self.convert(child, above) for child in node.value], where)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._scalar(node), where)
        self._report(node, f"the tag {node.tag} is not allowed")
        return Node(None, where)

    def _mapping(self, node: yaml.MappingNode, above: tuple[yaml.Node, ...]) -> dict[str, Node]:
        result: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, "a key must be a word")
                continue
            key = key_node.value
            if key in result:
                first = result[key].where
                self._report(key_node, f"'{key}' stands here twice (first in line {first.line})")
                continue
            result[key] = Node(self.convert(value_node, above).value, self._where(key_node))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        text = node.value
        if kind == "str":
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return int(text[2:] if base != 10 else text, base)
        if kind == "float":
            return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
        self._report(node, f"the tag {node.tag} is not allowed")
        return None

    def _where(self, node: yaml.Node) -> Where:
        mark = node.start_mark
        return Where(self.source, mark.line + 1, mark.column + 1, self.folder)

    def _report(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self._where(node), "", message))
