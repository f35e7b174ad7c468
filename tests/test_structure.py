"""Dependencies point one way, and the core knows no plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "tina_kit").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
PACKAGES = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file()}
BELOW = {
    "api": set(),
    "plugins": {"api"},
    "store": {"api"},
    "recipe": {"api", "plugins", "store"},
    "training": {"api", "store"},
    "report": {"api", "recipe"},
    # A saved p-Model names its architecture as a recipe does.
    "zoo": {"api", "training", "plugins", "recipe", "store"},
    "testing": {"api", "plugins", "store", "recipe", "training", "zoo"},
    "pipeline": {"api", "plugins", "store", "recipe", "training", "zoo", "report"},
    "scaffold": {"api", "plugins", "store", "recipe", "training", "pipeline"},
    "cli": {
        "library",
        "api",
        "plugins",
        "store",
        "recipe",
        "training",
        "zoo",
        "report",
        "pipeline",
        "scaffold",
    },
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CORE, ids=name)
def test_the_core_imports_no_plugin_and_only_packages_below(path: Path) -> None:
    found = [module.split(".") for module in imports(path)]
    assert not {module[0] for module in found} & PACKAGES
    parts = path.relative_to(ROOT / "tina_kit").parts
    if len(parts) > 1:
        packages = {m[1] for m in found if m[0] == "tina_kit" and len(m) > 1}
        assert packages - {parts[0]} <= BELOW[parts[0]]


@pytest.mark.parametrize("path", PLUGINS, ids=name)
def test_a_plugin_imports_only_the_api_and_itself(path: Path) -> None:
    package = path.relative_to(ROOT / "plugins").parts[0]
    for module in imports(path):
        assert module.split(".")[0] not in PACKAGES - {package}
        if module.split(".")[0] == "tina_kit":
            assert module == "tina_kit.api"


def module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def graph() -> dict[str, set[str]]:
    """Module → the modules of this project that it imports, wherever in the file, for types too."""
    places = {module(path, ROOT): path for path in CORE}
    places |= {module(path, ROOT / "plugins"): path for path in PLUGINS}
    found: dict[str, set[str]] = {}
    for name, path in places.items():
        names = set(imports(path))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        # A package that only offers names of its modules is no module of its own.
        found[name] = {each for each in names & places.keys() if not is_package(places[each])}
    return {name: found[name] - {name} for name in found if not is_package(places[name])}


def is_package(path: Path) -> bool:
    return path.name == "__init__.py"


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        list(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        pytest.fail(f"an import circle: {' -> '.join(error.args[1])}")


def test_each_command_lives_in_the_file_of_its_name() -> None:
    from tina_kit.cli.app import app

    own = {command.name: [command] for command in app.registered_commands}
    own |= {group.name: group.typer_instance.registered_commands for group in app.registered_groups}
    assert len(own) > 10
    for command, callables in own.items():
        places = {each.callback.__module__ for each in callables if each.callback is not None}
        assert places == {f"tina_kit.cli.{command}"}
        others = {f"tina_kit.cli.{other}" for other in own if other != command}
        assert not graph()[f"tina_kit.cli.{command}"] & others
