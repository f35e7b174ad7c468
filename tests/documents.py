"""The fenced code blocks of the project's pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "tina_kit").rglob("README.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_NAMED = re.compile(r"# (\S+\.\w+)\n")
_ANCHOR = re.compile(r"[^\w\- ]")


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


def blocks(page: str, *languages: str) -> list[Block]:
    """Of a page, named from the repository's root; all of them, or those of some languages."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [
        Block(page, text[: match.start()].count("\n") + 1, match[1], match[2])
        for match in _FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Path and anchor of each link that leads to a place in the repository."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {_ANCHOR.sub("", head.lower()).replace(" ", "-") for head in heads}
