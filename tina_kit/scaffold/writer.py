"""Writes a plugin package from the templates beside this file.

A template is a file of a working plugin called `my-plugin`; the new one's name takes the place of
that name and of `my_plugin`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

import tina_kit
from tina_kit.api.errors import UserError
from tina_kit.scaffold.examples import EXAMPLES, recipe_for

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMMON = {
    "pyproject.toml": "pyproject.toml.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/test.yml": "ci.yml.txt",
    "tests/test_recipe.py": "test_recipe.py.txt",
}


def write_plugin(name: str, kinds: Sequence[str], parent: Path) -> Path:
    """Write the package `name` with an example of each of `kinds` into a new folder of `parent`.

    Raises UserError for a name that cannot be one and for a folder that is there.
    """
    folder = parent / name
    _check(name, folder)
    work = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        work = parent / f".{name}-{secrets.token_hex(4)}"
        work.mkdir()
        for path, text in contents(name, kinds).items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text, encoding="utf-8")
        os.rename(work, folder)
    except OSError as error:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        raise UserError(f"{folder}: the plugin cannot be written: {error.strerror}") from None
    return folder


def contents(name: str, kinds: Sequence[str]) -> dict[str, str]:
    """The files of the package by their paths."""
    package = "src/my_plugin"
    made = {path: _template(template) for path, template in _COMMON.items()}
    made["pyproject.toml"] = made["pyproject.toml"].replace("<version>", tina_kit.__version__)
    made["README.md"] = _template("README.md.txt").replace("<kinds>", ", ".join(kinds))
    made[f"{package}/__init__.py"] = _declarations(kinds)
    made[f"{package}/options.py"] = _options(kinds)
    made[f"{package}/py.typed"] = ""
    for kind in kinds:
        made[f"{package}/{_module(kind)}.py"] = _template(f"{_module(kind)}.py.txt")
        made[f"tests/test_{_module(kind)}.py"] = _test(kind)
    made["recipes/my-plugin.yaml"] = recipe_for(kinds)
    return {_renamed(path, name): _renamed(text, name) for path, text in made.items()}


def _check(name: str, folder: Path) -> None:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' is no name for a plugin: write lower-case words joined by hyphens, "
            "like nearest-tasks"
        )
    if iskeyword(package) or package in sys.stdlib_module_names or find_spec(package):
        raise UserError(f"'{name}' is no name for a plugin: Python has a {package} already")
    if os.path.lexists(folder):
        raise UserError(f"{folder} exists; choose another name or --output")
    if not folder.parent.exists():
        raise UserError(f"{folder}: there is no folder {folder.parent}")


def _declarations(kinds: Sequence[str]) -> str:
    parts = "".join(
        f"""\
        Component(
            kind="{kind}",
            name="my-plugin",
            target="my_plugin.{_module(kind)}:{EXAMPLES[kind].target}",
            options="my_plugin.options:{EXAMPLES[kind].options}",
            summary="{EXAMPLES[kind].summary}",
            api=1,
        ),
"""
        for kind in kinds
    )
    return f'''"""The parts of my-plugin; nothing here imports torch."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
{parts}    ]
'''


def _options(kinds: Sequence[str]) -> str:
    classes = [_template(f"options/{_module(kind)}.txt") for kind in kinds]
    text = "\n\n".join(classes)
    pydantic = _used(text, ("Field", "field_validator"))
    api = _used(text, ("Options", "TaskOptions"))
    imports = f"from pydantic import {pydantic}\n" if pydantic else ""
    return (
        '"""The options of my-plugin\'s parts; nothing here imports torch."""\n\n'
        "from __future__ import annotations\n\n"
        f"{imports}from tina_kit.api import {api}\n\n\n{text}"
    )


def _used(text: str, names: Sequence[str]) -> str:
    return ", ".join(name for name in names if re.search(rf"(?<!\w){name}\b", text))


def _test(kind: str) -> str:
    example = EXAMPLES[kind]
    suite = "".join(word.capitalize() for word in kind.split("-")) + "Suite"
    return f'''"""{example.target} keeps the contract of its kind."""

from tina_kit.testing import {suite}


class Test{example.target}({suite}):
    use = {{"use": "my-plugin"{example.smoke}}}
'''


def _module(kind: str) -> str:
    return kind.replace("-", "_")


def _renamed(text: str, name: str) -> str:
    return text.replace("my-plugin", name).replace("my_plugin", name.replace("-", "_"))


def _template(name: str) -> str:
    place = files("tina_kit.scaffold").joinpath("templates")
    for step in name.split("/"):
        place = place.joinpath(step)
    return place.read_text(encoding="utf-8")
