"""The project's Markdown pages: their code blocks, diagrams, tables and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRONT, CONTRIBUTING = "README.md", "CONTRIBUTING.md"
RECIPES, RESULTS = "recipes/README.md", "recipes/paper/RESULTS.md"
GUIDE, API, CORE = "plugins/README.md", "plugins/API.md", "tina_kit/README.md"
COMMANDS, FLOW = "tina_kit/cli/README.md", "tina_kit/pipeline/README.md"
PAGES = [FRONT, CONTRIBUTING, "CHANGELOG.md", RECIPES, RESULTS, GUIDE, API, CORE, COMMANDS, FLOW]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_NAMED = re.compile(r"# (\S+\.\w+)\n")
_ANCHOR = re.compile(r"[^\w\- ]")
_LABEL = r'(?:\[/.+?/\]|\(\[.+?\]\)|\[".+?"\]|\[.+?\])'
_NODE = rf"(\w+)({_LABEL})?"
_ARROW = r" (-->|-\.->)(?:\|[^|]+\|)? "


@dataclass(frozen=True)
class Block:
    """page: where it stands, from line `line` on; language: what stands behind its fence."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str | None:
        """The file that its first line names."""
        found = _NAMED.match(self.text)
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Its lines without what the shell ignores."""
        lines = [shlex.join(shlex.split(line, comments=True)) for line in self.text.splitlines()]
        return [line for line in lines if line]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """Of a page, named from the repository's root; all of them, or those of some languages."""
    text = text_of(page)
    found = [
        Block(page, text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


@dataclass(frozen=True)
class Flowchart:
    """A Mermaid flowchart. labels: of its nodes, where they have one; arrows: (from, to) in the
    order in which they are drawn; dotted: those of them that are."""

    labels: dict[str, str]
    arrows: list[tuple[str, str]]
    dotted: set[tuple[str, str]]

    @classmethod
    def read(cls, text: str) -> Flowchart:
        """Raises ValueError for a line that is none of a flowchart's."""
        head, *lines = text.splitlines()
        if not re.fullmatch(r"flowchart (LR|TD)", head):
            raise ValueError(head)
        chart = cls({}, [], set())
        for line in map(str.strip, lines):
            if not re.fullmatch(r"end|subgraph \w+ \[.+\]", line):
                chart._line(line)
        return chart

    def _line(self, line: str) -> None:
        if not re.fullmatch(rf"{_NODE}(?:{_ARROW}{_NODE})*", line):
            raise ValueError(line)
        nodes = []
        for name, label in re.findall(rf"(?:^|(?<=[->|] )){_NODE}", line):
            nodes.append(name)
            if label:
                self.labels[name] = label.strip('[]()/"')
        arrows = list(pairwise(nodes))
        self.arrows.extend(arrows)
        kinds = re.findall(_ARROW, line)
        self.dotted.update(arrow for arrow, kind in zip(arrows, kinds, strict=True) if "." in kind)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, or below a paragraph that is one bold line."""
    text = text_of(page)
    below = re.split(rf"^(?:#+ |\*\*){re.escape(heading)}(?!\w).*$", text, flags=re.M)[1]
    [table, *_] = re.findall(r"(?:^\|.*\n)+", below, re.M)
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def quoted(cell: str) -> list[str]:
    """What is written as code."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: str) -> Iterator[tuple[str, str]]:
    """Path and anchor of each link that leads to a place in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text_of(page))):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {_ANCHOR.sub("", head.lower()).replace(" ", "-") for head in heads}
