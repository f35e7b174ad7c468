"""Every path on the command line follows one rule: `~` expands, a remaining `$` is refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

from tina_kit.cli.app import app, invoke

Command = tuple[tuple[str, ...], Any]


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """Every command with the words that call it."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))
    if not hasattr(command, "commands"):
        yield words, command


def lines_with(path: str) -> Iterator[list[str]]:
    """Command lines with `path` in the place of each of their paths, one at a time."""
    for words, command in commands(typer.main.get_command(app)):
        types = get_type_hints(inspect.unwrap(command.callback))
        for parameter in command.params:
            if "Path" not in str(types.get(parameter.name)):
                continue
            line = list(words)
            for other in command.params:
                value = path if other is parameter else "generator"
                if other.param_type_name == "argument" and (other.required or other is parameter):
                    line.append(value)
                elif other.required or other is parameter:
                    line += [max(other.opts, key=len), value]
            yield line


LINES = list(lines_with("$HOME/x.safetensors"))


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_variable_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch, line: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(line) == 2
    option = line[line.index("$HOME/x.safetensors") - 1]
    told = f"{option} " if option.startswith("--") else ""
    expected = f"error: {told}$HOME/x.safetensors: variables such as $HOME are not expanded"
    assert capsys.readouterr().err.startswith(expected)
    assert list(tmp_path.iterdir()) == []


def test_all_commands_are_looked_at() -> None:
    first = {line[0] for line in LINES}
    known = {"run", "list", "show", "validate", "schema", "generate", "plugin", "zoo"}
    known |= {"init", "recipes", "predict", "evaluate", "export", "bundle", "serve"}
    known |= {"report", "runs", "store", "sweep", "watch"}
    assert first == known
    for line in (["zoo", "export"], ["zoo", "import"], ["zoo", "show"], ["plugin", "new"]):
        assert any(found[:2] == line for found in LINES)
    assert {"--plugin", "--output", "--images"} <= {word for line in LINES for word in line}


def test_the_home_folder_expands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch, recipe: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TINA_KIT_STORE", "~/store")
    assert recipe.parent == tmp_path
    assert invoke(["validate", f"~/{recipe.name}"]) == 0
    assert invoke(["run", f"~/{recipe.name}", "--dry-run"]) == 0
    assert f"store {tmp_path}/store" in capsys.readouterr().out
    assert invoke(["schema", "-o", "~/schema.json"]) == 0
    assert (tmp_path / "schema.json").is_file()
    assert invoke(["generate", "~/runs/none", "--classes", "a, b", "-o", "~/x.safetensors"]) == 2
    assert f"{tmp_path}/runs/none: " in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["TINA_KIT_DATA", "TINA_KIT_STORE"])
def test_doctor_and_run_agree_on_a_variable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch, recipe: Path, variable: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "$HOME/there")
    told = "$HOME/there: variables such as $HOME are not expanded"
    line = ["run", str(recipe), "--dry-run", "--set", "dataset={use: caltech101}"]
    assert invoke(line) == 2
    assert f"{variable}: {told}" in capsys.readouterr().err
    invoke(["doctor"])
    assert told in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [recipe.name]


def test_doctor_and_run_agree_on_the_home_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch, recipe: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TINA_KIT_DATA", "~/data")
    (tmp_path / "data").mkdir()
    assert invoke(["run", str(recipe), "--dry-run", "--set", "dataset={use: caltech101}"]) == 2
    assert f"Caltech-101 is missing ({tmp_path}/data" in capsys.readouterr().err
    invoke(["doctor"])
    assert f"{tmp_path}/data: empty" in capsys.readouterr().out
