"""Reads YAML 1.2 with node positions, including untrusted files.

PyYAML reads YAML 1.1, a trap for scientists: `3e-4` is a string, `no` is False, `010` is 8, `1:30`
is 90, and the last of duplicate keys wins. Here scalars follow the core schema of YAML 1.2.
Duplicate keys are rejected, and so are tags beyond that schema, so reading YAML runs no code. (A
recipe can still name plugin files, which are code; see "Trust" in recipes/README.md.)

The cost of reading a file is limited. Messages give positions but do not quote the file: `extends`
may point to any file, even one that is not a recipe.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tina_kit.recipe.node import Node, Problem, RecipeError, Where

MOST_VALUES = 20_000
"""Maximum number of keys and values in a document, with aliases expanded."""
DEEPEST = 50
"""Maximum nesting depth."""
LONGEST_NUMBER = 40
"""Maximum length of a number, in characters."""
_PREFIX = "tag:yaml.org,2002:"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # except tab and line feed
_NAMED = re.compile(r"^(found (?:undefined|duplicate) [a-z ]+?) ['\"].*", re.S)
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


_PATTERNS = {name: re.compile(pattern) for name, pattern, _ in _SCALARS}


class _Core(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (PyYAML's own way)
    depth = values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth == DEEPEST:
            self._refuse(f"more than {DEEPEST} levels of nesting")
        if self.values == MOST_VALUES:
            self._refuse(f"more than {MOST_VALUES:,} values")
        self.depth, self.values = self.depth + 1, self.values + 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refuse(self, problem: str) -> None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        raise yaml.MarkedYAMLError(None, None, problem, mark)


for _name, _pattern, _first in _SCALARS:
    _Core.add_implicit_resolver(
        _PREFIX + _name, re.compile(rf"^(?:{_pattern})$"), [*_first, ""][: len(_first) + 1]
    )


def parse(text: str, source: str, folder: Path) -> Node:
    """Parse one document. Raises RecipeError with line and column."""
    root = _composed(text, source, folder)
    converter = _Converter(source, folder)
    node = Node({}, Where(source, 1, 1, folder)) if root is None else converter.convert(root, ())
    if converter.problems:
        raise RecipeError(converter.problems)
    return node


def _composed(text: str, source: str, folder: Path) -> yaml.Node | None:
    loader: _Core | None = None
    try:
        loader = _Core(text)
        root: yaml.Node | None = loader.get_single_node()
        return root
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = _NAMED.sub(r"\1", _in_words(error))
    except yaml.reader.ReaderError as error:
        line, column = place_in(text[: error.position])
        problem = "it contains a character that YAML does not allow"
    except (ValueError, OverflowError):  # an escape beyond Unicode, a version of 5,000 digits
        mark = loader.get_mark() if loader else None
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = "a number or an escape sequence is out of range"
    raise RecipeError(
        [Problem(Where(source, line, column, folder), "", f"invalid YAML: {problem}")]
    )


def _in_words(error: yaml.MarkedYAMLError) -> str:
    """What is wrong. Some of PyYAML's problems are only half a sentence, which its context
    begins."""
    halves = [error.context or "", error.problem or ""]
    return ", ".join(halves) if halves[1].startswith(("but ", "second ")) else halves[1]


def place_in(before: str) -> tuple[int, int]:
    """The line and column that follow the text `before`, counted from 1."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


class _Writer(yaml.SafeDumper):
    """Quotes every string that YAML 1.1 or 1.2 would read as another type."""

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
    """Dump plain dicts, lists and scalars as YAML that `parse` reads back unchanged.

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
    """Parse the value of a `--set`; everything in it gets the location `where`."""
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
        self.values = 0

    def convert(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Node:
        where = self._where(node)
        self.values += 1
        if self.values > MOST_VALUES:  # aliases can expand to more than was written
            message = f"its aliases expand to more than {MOST_VALUES:,} values"
            raise RecipeError([*self.problems, Problem(where, "", message)])
        if node in above:
            self._report(node, "an alias cannot contain itself")
            return Node(None, where)
        above = (*above, node)
        if len(above) > DEEPEST:
            message = f"its aliases expand to more than {DEEPEST} levels of nesting"
            raise RecipeError([*self.problems, Problem(where, "", message)])
        if isinstance(node, yaml.MappingNode) and node.tag == _PREFIX + "map":
            return Node(self._mapping(node, above), where)
        if isinstance(node, yaml.SequenceNode) and node.tag == _PREFIX + "seq":
            return Node([self.convert(child, above) for child in node.value], where)
        if isinstance(node, yaml.ScalarNode):
            return Node(self._scalar(node), where)
        self._report(node, "this tag is not allowed")
        return Node(None, where)

    def _mapping(self, node: yaml.MappingNode, above: tuple[yaml.Node, ...]) -> dict[str, Node]:
        result: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, "a key must be a single word or phrase")
                continue
            before = len(self.problems)
            self._scalar(key_node)
            if len(self.problems) > before:
                continue
            key = key_node.value
            if key in result:
                first = result[key].where
                self._report(key_node, f"duplicate key (first given in line {first.line})")
                continue
            result[key] = Node(self.convert(value_node, above).value, self._where(key_node))
        return result

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        text = node.value
        if kind == "str":
            if _CONTROL.search(text):
                self._report(node, "text must not contain control characters or lone surrogates")
            return text
        if kind not in _PATTERNS:
            self._report(node, "this tag is not allowed")
        elif not _PATTERNS[kind].fullmatch(text):
            self._report(node, f"this is not a valid value for the tag !!{kind}")
        elif len(text) > LONGEST_NUMBER:
            self._report(node, f"a number with more than {LONGEST_NUMBER} characters")
        else:
            return _value(kind, text)
        return None

    def _where(self, node: yaml.Node) -> Where:
        mark = node.start_mark
        return Where(self.source, mark.line + 1, mark.column + 1, self.folder)

    def _report(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self._where(node), "", message))


def _value(kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
