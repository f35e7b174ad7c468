"""Writes a plugin package from the examples of the plugin guide and the templates beside this file.

Both are files of a working plugin called `my-plugin`; the new one's name takes the place of that
name and of `my_plugin`.
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
from tina_kit.api.component import KINDS
from tina_kit.api.errors import UserError
from tina_kit.scaffold.example import (
    PACKAGE,
    Example,
    component_name,
    imports_for,
    read_example,
)
from tina_kit.scaffold.example_recipe import recipe_for
from tina_kit.scaffold.examples.make_npz import write as write_colours

_PLUGIN = "my-plugin"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_COMMON = {
    "pyproject.toml": "pyproject.toml.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/test.yml": "ci.yml.txt",
    "tests/test_recipe.py": "test_recipe.py.txt",
}


def write_plugin(name: str, kinds: Sequence[str], parent: Path) -> Path:
    """Write the package `name` with an example of each of `kinds`, of which some may be "observer"
    and "command", into a new folder of `parent`.

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
        if "dataset" in kinds:
            write_colours(work / "recipes" / "colours.npz")
        os.rename(work, folder)
    except OSError as error:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        raise UserError(f"{folder}: the plugin cannot be written: {error.strerror}") from None
    return folder


def contents(name: str, kinds: Sequence[str]) -> dict[str, str]:
    """The files of the package by their paths."""
    package, examples = f"src/{PACKAGE}", [Example(kind) for kind in kinds]
    components = [example for example in examples if example.kind in KINDS]
    made = {path: _template(template) for path, template in _COMMON.items()}
    made["pyproject.toml"] = made["pyproject.toml"].replace("<version>", tina_kit.__version__)
    made["README.md"] = _template("README.md.txt").replace("<kinds>", ", ".join(kinds))
    made[f"{package}/__init__.py"] = _hooks(examples, components)
    made[f"{package}/py.typed"] = ""
    if components:
        made[f"{package}/options.py"] = _options(components)
    for example in examples:
        made[f"{package}/{example.module}.py"] = example.code
        made[f"tests/test_{example.module}.py"] = example.test
    made["recipes/my-plugin.yaml"] = recipe_for(kinds)
    if "dataset" in kinds:
        made["recipes/make_npz.py"] = read_example("make_npz.py")
    return {_renamed(path, name): _renamed(text, name) for path, text in made.items()}


def _check(name: str, folder: Path) -> None:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise UserError(
            f"'{name}' is not a plugin name: write lower-case words joined by hyphens, "
            "like nearest-tasks"
        )
    if iskeyword(package) or package in sys.stdlib_module_names or find_spec(package):
        raise UserError(f"'{name}' is not a plugin name: Python already has a module {package}")
    if os.path.lexists(folder):
        raise UserError(f"{folder} exists; choose another name or --output")
    if not folder.parent.exists():
        raise UserError(f"{folder}: there is no folder {folder.parent}; choose another --output")


def _hooks(examples: Sequence[Example], components: Sequence[Example]) -> str:
    hooks = [example.hook for example in examples if example.kind not in KINDS]
    if components:
        listed = "".join(map(_declaration, components))
        hooks.insert(
            0,
            "@hookimpl\ndef tina_kit_components() -> list[Component]:\n"
            f"    return [\n{listed}    ]",
        )
    text = "\n\n\n".join(hooks)
    says = f'"""What {_PLUGIN} brings; nothing here imports torch."""'
    return f"{says}\n\n{imports_for(text, examples)}\n\n\n{text}\n"


def _declaration(example: Example) -> str:
    return f"""\
        Component(
            kind="{example.kind}",
            name="{component_name(example.kind)}",
            target="{PACKAGE}.{example.module}:{example.target}",
            options="{PACKAGE}.options:{example.target}Options",
            summary="{example.summary}",
            api=1,
        ),
"""


def _options(components: Sequence[Example]) -> str:
    text = "\n\n\n".join(example.options for example in components)
    says = f'"""The options of {_PLUGIN}\'s components; nothing here imports torch."""'
    return f"{says}\n\n{imports_for(text, components)}\n\n\n{text}\n"


def _renamed(text: str, name: str) -> str:
    return text.replace(_PLUGIN, name).replace(PACKAGE, name.replace("-", "_"))


def _template(name: str) -> str:
    place = files("tina_kit.scaffold").joinpath("templates")
    for step in name.split("/"):
        place = place.joinpath(step)
    return place.read_text(encoding="utf-8")
