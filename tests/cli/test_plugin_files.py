"""A plugin file is code: every command says whose code it runs, and whose fault an error is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tina_kit.cli.app import invoke
from tina_kit.plugins import discover
from tina_kit.plugins.discovery import load_file

PLUGIN = """\
import sys
from pathlib import Path
import torch
from pydantic import model_validator
from tina_kit.api import Component, Generator, Options, hookimpl

Path(__file__).with_suffix(".ran").open("a").write("x")

class MineOptions(Options):
    fault: str = ""

    @model_validator(mode="after")
    def _check(self):
        return {}["no such key"] if self.fault == "options" else self

class Mine(Generator):
    learns = False

    def __init__(self, options):
        self.options = options
        if options.fault == "build":
            raise RuntimeError("cannot be built")

    def generate(self, request):
        if self.options.fault == "exit":
            sys.exit(0)
        return self._zeros(request)

    def _zeros(self, request):
        tasks, classes = request.conditions.shape[:2]
        if self.options.fault == "generate":
            raise ValueError("shapes differ\\x1b[2J")
        return torch.zeros(tasks, self.context.architecture.layout(classes).size)

@hookimpl
def tina_kit_components():
    return [Component(kind="generator", name="mine", target=f"{__name__}:Mine",
                      options=f"{__name__}:MineOptions", summary="Zeros.")]
"""


def line_of(code: str) -> int:
    return next(n for n, line in enumerate(PLUGIN.splitlines(), 1) if code in line)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def using(recipe: Path, plugin: Path) -> Path:
    """The tiny recipe with the plugin's generator, named by a recipe that it extends."""
    plugin.with_name("base.yaml").write_text("plugins: [mine.py]\n")
    text = recipe.read_text().replace("  - {use: oracle}", "  - {use: mine}")
    profiles = "profiles: {a: {tasks.id: 8}, b: {tasks.id: 9}}\n"
    recipe.write_text(f"extends: base.yaml\n{text}{profiles}")
    return recipe


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def told(*words: object, code: int = 0) -> str:
        """What a command says on stderr."""
        assert invoke([str(word) for word in words]) == code
        return capsys.readouterr().err

    return told


def announced_once(text: str, plugin: Path, named: str) -> bool:
    """At the beginning; and the file's code has run once."""
    ran = plugin.with_suffix(".ran")
    times = ran.read_text()
    ran.unlink()
    first = text.startswith(f"running code from {plugin} ({named})\n")
    return first and text.count("running code") == 1 and times == "x"


def test_the_announcement_comes_before_the_code_runs(plugin: Path) -> None:
    told = []
    registry = discover()
    registry.announce = lambda line: told.append((line, plugin.with_suffix(".ran").exists()))
    for _ in range(2):
        assert load_file(registry, plugin, "named here") is None
    assert told == [(f"running code from {plugin} (named here)", False)]
    assert plugin.with_suffix(".ran").read_text() == "x"


def test_each_command_that_reads_a_recipe_says_whose_code_it_runs(
    using: Path, plugin: Path, tmp_path: Path, told: Callable[..., str]
) -> None:
    named = f"named in {tmp_path}/base.yaml:1:11"
    assert announced_once(told("validate", using), plugin, named)
    assert announced_once(told("run", using, "--dry-run"), plugin, named)
    assert announced_once(told("run", using, "--output", tmp_path / "runs"), plugin, named)
    (folder,) = (tmp_path / "runs" / "tiny").iterdir()
    asked = ["--classes", "red circle, blue star", "--generator", "mine"]
    text = told("generate", folder, *asked, "-o", tmp_path / "p.safetensors")
    lines = (folder / "resolved.yaml").read_text().splitlines()
    place = next(n for n, line in enumerate(lines, 1) if line.endswith("mine.py"))
    assert announced_once(text, plugin, f"named in {folder}/resolved.yaml:{place}:3")
    text = told("zoo", "export", folder, "-o", tmp_path / "zoo")
    assert announced_once(text, plugin, f"named in {folder}/resolved.yaml:{place}:3")


@pytest.mark.parametrize(
    "words",
    [
        ("show", "generator", "mine"),
        ("list", "generator"),
        ("schema",),
        ("validate", "tiny.yaml"),
        ("run", "tiny.yaml", "--dry-run"),
    ],
)
def test_a_file_of_the_command_line_is_announced_too(
    using: Path,
    plugin: Path,
    words: tuple[str, ...],
    told: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(using.parent)
    assert announced_once(told(*words, "--plugin", plugin), plugin, "named by --plugin")


def test_without_plugin_files_nothing_is_announced(recipe: Path, told: Callable[..., str]) -> None:
    assert "running code" not in told("validate", recipe) + told("list")


def test_a_file_that_fails_runs_once_and_its_line_is_told(
    using: Path, plugin: Path, told: Callable[..., str]
) -> None:
    ran = PLUGIN.splitlines()[1:2] + PLUGIN.splitlines()[6:7]
    plugin.write_text("\n".join([*ran, "def helper():", "    return {}['x']", "helper()"]))
    text = told("validate", using, code=2)
    assert announced_once(text, plugin, f"named in {plugin.parent}/base.yaml:1:11")
    assert f"it cannot be imported: KeyError: 'x' ({plugin}:4)" in text


@pytest.mark.parametrize(
    ("fault", "method", "line", "what"),
    [
        ("generate", "Mine.generate", "shapes differ", r"ValueError: shapes differ\u001b[2J"),
        ("build", "Mine.__init__", "cannot be built", "RuntimeError: cannot be built"),
        ("exit", "Mine.generate", "sys.exit", "SystemExit: 0"),
    ],
)
def test_a_plugins_own_exception_names_plugin_method_file_and_line(
    using: Path,
    plugin: Path,
    told: Callable[..., str],
    fault: str,
    method: str,
    line: str,
    what: str,
) -> None:
    runs = plugin.with_name("runs")
    words = ["run", using, "--output", runs, "--set", f"generators.mine.fault={fault}"]
    place = f"{plugin}:{line_of(line)}"
    told_by = f"plugin mine.py failed in {method} ({place}): {what}"
    text = told(*words, code=1)
    assert text.endswith(f"error: {told_by} (--debug shows the traceback)\n")
    assert "Traceback" not in text
    assert "Traceback" in told(*words, "--debug", code=1)
    for record in runs.glob("tiny/*/run.json"):
        facts = json.loads(record.read_text())
        assert facts["status"] == "failed" and f"({place})" in facts["error"]


def test_options_that_fail_to_be_checked_are_told_with_the_recipes_line(
    using: Path, plugin: Path, told: Callable[..., str]
) -> None:
    text = told("validate", using, "--set", "generators.mine={use: mine, fault: options}", code=2)
    place = f"{plugin}:{line_of('no such key')}"
    assert (
        "generators.mine: the options cannot be checked: plugin mine.py failed in "
        f"MineOptions._check ({place}): KeyError"
    ) in text
