"""A plugin can bring commands, and they cost nobody else anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_inspection import completed
from tests.forked import completed as call
from tests.plugins.installed import COMMAND, PART, install
from tina_kit.cli.app import invoke


def test_a_command_of_a_plugin_is_one_of_tina_kit_s(site: Path) -> None:
    install(site, "brings", PART + COMMAND)
    assert call("dots", "--n", "5").stdout == ".....\n"
    assert "Print dots." in call("--help").stdout
    assert "--n" in call("dots", "-h").stdout
    mistake = call("dots", "--n", "many")
    assert mistake.returncode == 2 and "see tina-kit dots --help" in mistake.stderr


def test_a_command_of_a_plugin_may_exit(site: Path) -> None:
    exits = COMMAND.replace("print(", "raise SystemExit(4, ").replace('4, "." * n', "4")
    install(site, "brings", PART + exits)
    done = call("dots")
    assert (done.returncode, done.stderr) == (4, "")


def test_a_plugin_may_bring_commands_alone_and_groups_of_them(site: Path) -> None:
    code = """\
import typer
from tina_kit.api import hookimpl

@hookimpl
def tina_kit_commands(app):
    group = typer.Typer()
    app.add_typer(group, name="marks")

    @group.command()
    def dots():
        print("...")

    @group.command()
    def dashes():
        print("---")
"""
    install(site, "brings", code)
    assert call("marks", "dashes").stdout == "---\n"
    assert call("list").returncode == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (COMMAND.replace("@app.command()", "1 / 0"), "ZeroDivisionError: division by zero ({}:16)"),
        (COMMAND.replace("@app.command()", "import sys; sys.exit(3)"), "SystemExit: 3 ({}:16)"),
        (COMMAND.replace("@app.command()", "@app.command"), "tina_kit_commands added no commands"),
        (COMMAND.replace("n: int", "n: 'Count'"), "NameError: name 'Count' is not defined"),
    ],
)
def test_a_hook_that_fails_costs_nobody_else_anything(site: Path, code: str, reason: str) -> None:
    module = install(site, "fails", PART + code)
    install(site, "works", PART + COMMAND)
    done = call("dots")
    assert (done.returncode, done.stdout) == (0, "...\n")
    [line] = done.stderr.splitlines()
    assert line.startswith("warning: plugin fails of fails: its commands were skipped: ")
    assert reason.format(module) in line
    assert "fails/dots" in call("list", "dataset").stdout  # its components can be used


def test_a_name_that_exists_is_refused_with_a_line_that_names_both(site: Path) -> None:
    install(site, "one", PART + COMMAND)
    install(site, "two", PART + COMMAND + "    @app.command()\n    def other(): print('other')\n")
    install(site, "three", PART + COMMAND.replace("def dots", "def list"))
    done = call("other")
    assert done.stdout == "other\n"
    assert done.stderr.splitlines() == [
        "warning: plugin three of three: its command 'list' was rejected: tina-kit already has it",
        "warning: plugin two of two: its command 'dots' was rejected: plugin one of one already "
        "has it",
    ]
    assert "dataset" in call("list").stdout  # tina-kit's own


def test_plugins_are_imported_only_where_one_of_their_commands_may_be_meant(
    site: Path, tmp_path: Path
) -> None:
    witness = tmp_path / "imports"
    install(site, "seen", f"open({str(witness)!r}, 'a').write('x')\n" + PART + COMMAND)
    for words in (["run", "--help"], ["version"], ["plugin", "new", "--help"], ["doctor", "-h"]):
        assert call(*words).returncode == 0
    assert not witness.exists()
    call("--help")
    assert witness.read_text() == "x"


def test_the_shell_completes_commands_of_plugins_and_is_told_of_no_failure(site: Path) -> None:
    install(site, "brings", PART + COMMAND)
    install(site, "fails", "raise RuntimeError")
    assert completed("do") == ["doctor", "dots"]


def test_a_command_that_is_missing_since_its_plugin_fails_is_explained(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, "brings", "import nowhere_at_all\n" + PART + COMMAND)
    assert invoke(["dots"]) == 2
    told = capsys.readouterr().err
    assert "plugin brings of brings was skipped" in told and "No such command 'dots'" in told


def test_the_shell_completes_keys_beside_options_that_cannot_be_imported(
    site: Path, recipe: Path
) -> None:
    install(site, "torn", PART.replace(":DotsOptions", ":Nothing"))
    recipe.write_text(
        recipe.read_text().replace("{use: shapes, train: 10, test: 5, size: 16}", "dots")
    )
    assert completed("run", str(recipe), "--set", "generic.ep") == ["generic.epochs="]
