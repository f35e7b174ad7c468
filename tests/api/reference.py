"""The reference of `tina_kit.api` as a page, from signatures and docstrings.

Run `python -m tests.api.reference` from the repository to write plugins/API.md.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from tests.api.surface import _members
from tests.documents import ROOT
from tina_kit import api

PAGE = ROOT / "plugins" / "API.md"
INTRODUCTION = f"""\
# Reference of `tina_kit.api`

Everything that a plugin may import, from `tina_kit.api` version {api.API_VERSION}. This page is
written by `python -m tests.api.reference`; the [plugin guide](README.md) says how the pieces fit.
"""


def page() -> str:
    modules: dict[str, list[str]] = {}
    for name in api.__all__:
        if name != "API_VERSION":
            module = api._MODULE_OF.get(name) or _home(getattr(api, name))
            modules.setdefault(module, []).append(name)
    parts = [INTRODUCTION]
    for module, names in sorted(modules.items()):
        parts.append(f"## {module.replace('_', ' ').capitalize()}\n")
        parts += [part for name in names for part in _entry(name, getattr(api, name))]
    return "\n".join(parts)


def _home(thing: Any) -> str:
    home = getattr(thing, "__module__", None) or ""
    return home.rpartition(".")[2] if home.startswith("tina_kit.api.") else "component"


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    if inspect.isfunction(thing):
        yield f"    {name}{_signature(thing)}\n"
    elif name == "hookimpl":
        yield "Marks a plugin's function as the implementation of a pluggy hook of its name.\n"
    elif dataclasses.is_dataclass(thing):
        yield f"    {name}({', '.join(f.name for f in dataclasses.fields(thing))})\n"
    own = vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.isfunction(thing)
    if own:
        yield f"{_said(thing)}\n"
    if inspect.isclass(thing):
        for member, _ in sorted(_members(thing)):
            value = vars(thing).get(member)
            code = getattr(value, "fget", None) or getattr(value, "__func__", value)
            if (inspect.isfunction(code) and code.__doc__) or hasattr(value, "func"):
                code = getattr(value, "func", code)
                call = "" if code is not value else _signature(code)
                abstract = " (required)" if getattr(value, "__isabstractmethod__", False) else ""
                yield f"- `{member}{call}`{abstract}: {_said(code, '  ')}"
        yield ""


def _signature(function: Any) -> str:
    return re.sub(r"'([^']*)'", r"\1", str(inspect.signature(function)))


def _said(thing: Any, indent: str = "") -> str:
    """Its docstring; lines that name an argument stay lines of their own."""
    text = inspect.cleandoc(thing.__doc__ or "").replace("<", "\\<")
    return text.replace("\n", f"\n{indent}").replace(f"\n{indent}\n", "\n\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
