"""A first-party package can move to a repository of its own; nothing in the core changes."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from tests.environment import Environment, copied
from tests.plugins.test_discovery import Distribution
from tina_kit.plugins import Registry, discover, discovery
from tina_kit.recipe import load_recipe
from tina_kit.recipe.example import example
from tina_kit.recipe.json_schema import recipe_schema

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "recipes" / "quickstart.yaml"
PACKAGE = "tina_tokenizers"
PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.26"]
build-backend = "hatchling.build"

[project]
name = "tina-tokenizers"
version = "2.5"
dependencies = ["tina-kit"]

[project.entry-points."tina_kit.plugins"]
tokenizers = "tina_tokenizers"
"""
OWN = {
    point.value: point
    for point in entry_points(group="tina_kit.plugins")
    if (ROOT / "plugins" / point.value).is_dir()
}


def kit_without_the_package(folder: Path) -> Path:
    """tina-kit's sources, but for the package and the two lines that name it."""
    for part in ("tina_kit", "plugins"):
        copied(ROOT / part, folder / part)
    (folder / "plugins" / PACKAGE).rename(folder / PACKAGE)
    lines = (ROOT / "pyproject.toml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if PACKAGE not in line]
    assert len(lines) - len(kept) == 2
    (folder / "pyproject.toml").write_text("".join(kept))
    (folder / "LICENSE").write_text((ROOT / "LICENSE").read_text())
    return folder


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_the_quickstart_runs_with_a_package_that_is_installed_by_itself(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", sys.executable)
    kit = kit_without_the_package(tmp_path / "kit")
    alone = tmp_path / "alone"
    alone.mkdir()
    (kit / PACKAGE).rename(alone / PACKAGE)
    (alone / "pyproject.toml").write_text(PYPROJECT)

    def call(*words: str | Path, code: int = 0) -> tuple[str, str]:
        done = environment.run(*words, cwd=tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    run = ("tina-kit", "run", QUICKSTART, "--profile", "smoke")
    call("pip", "install", kit)
    printed, told = call(*run, code=2)
    assert not printed and told == (
        f"error: {QUICKSTART}:27:17: generators.tina-dit.tokenizer.use: unknown tokenizer "
        "'class-rows'; install the plugin that provides it\n"
    )

    call("pip", "install", alone)
    listed = json.loads(call("tina-kit", "list", "tokenizer", "--strict-plugins", "--json")[0])
    assert {part["full_name"] for part in listed} == {
        "tina-tokenizers/class-rows",
        "tina-tokenizers/layer-chunks",
    }
    assert {part["origin"] for part in listed} == {"tina-tokenizers 2.5"}
    table, _ = call(*run)
    assert "tina-dit" in table and "oracle" in table
    [resolved] = tmp_path.glob("runs/quickstart/*/resolved.yaml")
    assert "use: tina-tokenizers/class-rows" in resolved.read_text()


def can_be_inspected(registry: Registry, folder: Path) -> None:
    """`schema` knows all parts, and the example that `show` gives of each validates, or comments
    name what is not installed."""
    skipped: list[str] = []
    recipe_schema(registry, skipped.append)
    assert not skipped
    for entry in registry.registered:
        path = folder / "example.yaml"
        path.write_text(example(entry, registry))
        comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
        empty = re.findall(r"use: an? (\S+)", path.read_text())
        named = [word for word in empty if any(f" {word} " in line for line in comments)]
        assert named == empty, path.read_text()
        if not any("installed" in line for line in comments):
            load_recipe(path, registry)


@pytest.mark.parametrize("package", OWN)
def test_a_package_may_belong_to_another_distribution(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moved = EntryPoint("moved", package, "tina_kit.plugins")
    vars(moved).update(dist=Distribution("moved"))
    others = [point for name, point in OWN.items() if name != package]
    monkeypatch.setattr(discovery, "entry_points", lambda group: [*others, moved])
    registry = discover()
    assert not registry.failures
    assert any(loaded.plugin.owner == "moved" for loaded in registry.plugins)
    load_recipe(QUICKSTART, registry)
    can_be_inspected(registry, tmp_path)


@pytest.mark.parametrize("package", OWN)
def test_what_stays_can_be_inspected_without_a_package(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = [point for name, point in OWN.items() if name != package]
    monkeypatch.setattr(discovery, "entry_points", lambda group: others)
    can_be_inspected(discover(), tmp_path)


def test_an_example_says_which_nested_part_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = [point for name, point in OWN.items() if name != PACKAGE]
    monkeypatch.setattr(discovery, "entry_points", lambda group: others)
    registry = discover()
    snippet = example(registry.get("generator", "tina-dit"), registry)
    assert snippet.startswith("# tokenizer: unknown tokenizer 'layer-chunks'")
    assert "use: a tokenizer" in snippet
