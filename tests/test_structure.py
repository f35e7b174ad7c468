"""Dependencies point one way, and the core knows no plugin."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
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
    "service": {"api", "training", "zoo", "pipeline"},
    # The tests among its examples import the suites.
    "scaffold": {"api", "plugins", "store", "recipe", "training", "pipeline", "testing"},
    "sweeps": {"api", "plugins", "store", "recipe", "report", "pipeline"},
    "library": {
        "api",
        "plugins",
        "store",
        "recipe",
        "training",
        "zoo",
        "report",
        "pipeline",
        "service",
        "scaffold",
        "sweeps",
    },
}
BELOW["cli"] = BELOW["library"] | {"library"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "tina_kit":
            yield from (f"tina_kit.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def upward(folder: str, modules: Iterable[str]) -> list[str]:
    """What a module in a folder of the core ("" for `tina_kit` itself) may not import: plugins, and
    folders that are not below its own."""
    found = [name for name in modules if name.split(".")[0] in PACKAGES]
    for name in modules if folder else ():
        first, _, rest = name.partition(".")
        if first == "tina_kit" and rest and rest.split(".")[0] not in BELOW[folder] | {folder}:
            found.append(name)
    return found


def foreign(package: str, modules: Iterable[str]) -> list[str]:
    """What a plugin package may not import: other plugins, and the core but for `tina_kit.api`."""
    return [
        name
        for name in modules
        if name.split(".")[0] in PACKAGES - {package}
        or (name.split(".")[0] == "tina_kit" and name != "tina_kit.api")
    ]


def folder_of(path: Path, root: Path) -> str:
    """The folder below `root` that holds a file; "" for a file in `root` itself."""
    return path.relative_to(root).parent.parts[0] if path.parent != root else ""


def test_the_core_imports_no_plugin_and_only_folders_below() -> None:
    core = ROOT / "tina_kit"
    wrong = {p: upward(folder_of(p, core), list(imports(p))) for p in CORE}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_a_plugin_imports_only_the_api_and_itself() -> None:
    wrong = {p: foreign(folder_of(p, ROOT / "plugins"), list(imports(p))) for p in PLUGINS}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import torch\nfrom tina_kit.api import Options\n\n"
        "def later():\n    import tina_datasets.shapes\n    from tina_kit import cli\n"
    )
    found = list(imports(path))
    assert found == ["torch", "tina_kit.api", "tina_datasets.shapes", "tina_kit.cli"]
    assert upward("zoo", found) == ["tina_datasets.shapes", "tina_kit.cli"]
    assert upward("cli", found) == upward("", found) == ["tina_datasets.shapes"]
    assert foreign("tina_datasets", found) == ["tina_kit.cli"]
    assert foreign("tina_generators", found) == ["tina_datasets.shapes", "tina_kit.cli"]


def module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@cache
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
