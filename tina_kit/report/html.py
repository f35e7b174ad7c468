"""Self-contained HTML pages: one file with its style and pictures, which asks no network.

A page has no script, and its policy forbids the browser every request. What is no `Markup` is
escaped where it becomes part of a page, so that no class name can end an element.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import tina_kit

WEB = Path(__file__).parent / "web"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
_EMPTY = ("img", "br", "meta")  # elements without an end


class Markup(str):
    """HTML, ready to be part of a page."""


def element(tag: str, *children: str, **attributes: str | bool | None) -> Markup:
    """`element("p", "a < b", class_="soft")`: `<p class="soft">a &lt; b</p>`.

    children: text, which is escaped, and Markup, which is not. attributes: `class_` is class and
    `data_head` data-head; those that are None or False are left out.
    """
    said = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _EMPTY:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{joined(children)}</{tag}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Several parts as one; those that are no Markup are escaped."""
    whole = (part if isinstance(part, Markup) else escape(part) for part in parts)
    return Markup(escape(between).join(whole))


def document(title: str, *parts: str) -> str:
    """A whole page, to be written in UTF-8. parts: below its title, as a rule `section`s."""
    head = joined(
        [
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="generator", content=f"tina-kit {tina_kit.__version__}"),
            element("title", title),
            # Not escaped: the text of a style element is no markup.
            element("style", Markup((WEB / "page.css").read_text(encoding="utf-8"))),
        ],
        "\n",
    )
    body = joined([element("h1", title), *parts], "\n")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> Markup:
    return joined([Markup("<section>"), element("h2", title), *parts, Markup("</section>")], "\n")


def paragraph(*parts: str, soft: bool = False) -> Markup:
    """soft: in the fainter colour of captions."""
    return element("p", *parts, class_="soft" if soft else None)


def items(texts: Iterable[str]) -> Markup:
    """A list."""
    return element("ul", *(element("li", text) for text in texts))


def folded(summary: str, *parts: str, paper: bool = True) -> Markup:
    """What a reader opens if it is needed. paper: whether it is printed, which opens it."""
    head = element("summary", summary)
    return element("details", head, *parts, class_=None if paper else "screen")


def side_by_side(*parts: str) -> Markup:
    """In columns where they have the room."""
    return element("div", *parts, class_="beside")


def figures(facts: Iterable[tuple[str, str, str]]) -> Markup:
    """Key figures in large type. facts: what it is, the figure, and a note, which may be empty."""
    cards = (
        element("div", element("dt", name), element("dd", figure), *_note(note))
        for name, figure, note in facts
    )
    return element("dl", *cards, class_="figures")


def pairs(facts: Iterable[tuple[str, str]]) -> Markup:
    """Names and what they are, line by line."""
    cells = (element(tag, text) for fact in facts for tag, text in zip(("dt", "dd"), fact))
    return element("dl", *cells, class_="pairs")


def _note(text: str) -> list[Markup]:
    return [element("dd", text, class_="soft")] if text else []


def notice(what: str, *parts: str, level: str = "note") -> Markup:
    """A box that stands out. level: "good", "note" or "bad"."""
    return element("div", element("strong", what), *parts, class_=f"notice {level}")


def table(lines: Sequence[Sequence[str]], stack: bool = True, words: bool = False) -> Markup:
    """lines: a header and lines of cells, the first of each a name, as for `table.text_lines`.
    stack: whether a narrow page shows the cells of a line one below the other; otherwise it
    scrolls. words: whether cells hold words, which may go on in a second line."""
    header, *rows = lines
    head = element("tr", *(element("th", cell, scope="col") for cell in header))
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, data_head=name, class_=None if cell else "empty")
                for name, cell in zip(header[1:], row[1:])
            ),
        )
        for row in rows
    )
    kinds = " ".join(kind for kind, of in (("stack", stack), ("words", words)) if of)
    whole = element("table", element("thead", head), element("tbody", *body), class_=kinds or None)
    return element("div", whole, class_="scroll")


def picture(content: bytes, kind: str, alt: str, class_: str | None = None) -> Markup:
    """kind: of the content, "png", "jpeg" or "svg+xml"; alt: what it shows, in words."""
    data = base64.b64encode(content).decode()
    return element("img", src=f"data:image/{kind};base64,{data}", alt=alt, class_=class_)


def figure(content: str, caption: str) -> Markup:
    """A chart or picture with what it shows."""
    return element("figure", content, element("figcaption", caption))
