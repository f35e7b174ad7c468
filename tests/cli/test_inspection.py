"""`list` and `show`: for people, for programs, and for the shell."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import forked
from tests.cli.test_commands import PLUGIN
from tests.plugins.installed import PART, install
from tina_kit.api.component import KINDS
from tina_kit.cli.app import app, invoke
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.recipe.describe import described
from tina_kit.recipe.example import example

LISTED = {
    *("kind", "name", "full_name", "summary", "version", "api", "owner", "origin", "needs"),
    "missing",
}
SHOWN = LISTED | {"target", "file", "paper", "options", "example"}
OPTION = {
    *("name", "type", "required", "default", "bounds", "choices", "description", "unit", "kind"),
    *("row", "at_generation"),
}
BROKEN = {
    *("owner", "version", "entry_point", "stage", "reason", "traceback", "left_out", "remedy"),
    "file",
}
REGISTRY = discover()
ENTRIES = REGISTRY.registered


@pytest.fixture
def run():
    def run(*words: object):
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A plugin of another distribution that needs what is not there."""
    site = tmp_path / "site-packages"
    name = f"guest_{tmp_path.name}".replace("-", "_")
    install(site, name, PART.replace('"Dots.")', '"Dots.", needs=("nowhere (brew it)",))'))
    monkeypatch.syspath_prepend(site)
    discover()
    return name.replace("_", "-")


# The keys below are documented in tina_kit/cli/README.md, and programs rely on them: add keys,
# never rename or remove one.


def test_the_keys_of_list_as_json_stay(run) -> None:
    assert all(row.keys() == LISTED for row in json.loads(run("list", "--json").stdout))


def test_the_keys_of_show_as_json_stay(run) -> None:
    told = json.loads(run("show", "generator", "tina-dit", "--json").stdout)
    assert told.keys() == SHOWN
    assert all(option.keys() == OPTION for option in told["options"])


def test_the_keys_of_broken_plugins_as_json_stay(run, tmp_path: Path, monkeypatch) -> None:
    install(tmp_path / "site-packages", "torn", "raise RuntimeError")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    [told] = json.loads(run("list", "--broken", "--json").stdout)
    assert told.keys() == BROKEN
    text = run("list", "--broken").stdout
    assert text.splitlines()[:2] == ["torn 1.0, plugin torn", "  stage   import"]


def test_list_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tina_kit.cli.app import invoke; assert invoke(['list']) == 0; "
        "print(sys.modules.keys() & {'torch', 'numpy', 'rich', 'matplotlib'}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("dataset\n") and done.stderr == "set()\n"


def test_list_tells_the_owner_where_it_is_another_and_what_is_missing(run, guest: str) -> None:
    lines = [line for line in run("list", "dataset").stdout.splitlines() if "dots" in line]
    assert lines == [f"dots           v1  Dots. [of {guest} 1.0; needs nowhere: brew it]"]
    assert "[" not in run("list", "tokenizer").stdout


def test_show_tells_all_there_is(run) -> None:
    told = json.loads(run("show", "generator", "tina-dit", "--json").stdout)
    options = {option["name"]: option for option in told["options"]}
    assert told["file"].rpartition("/")[2].startswith("tina_dit.py:")
    assert told["paper"] == ["Section 4"]
    assert options["sampler"]["choices"] == ["ddpm", "ddim"] and options["sampler"]["at_generation"]
    assert options["hidden_size"]["bounds"] == ["≥ 1", "≤ 65536"]
    assert options["hidden_size"]["default"] == 2048
    assert options["tokenizer"]["kind"] == "tokenizer"
    assert options["augmentations"]["default"] == [{"use": "classifier-permutation"}]
    assert options["inherit"]["row"] == "generator"
    assert options["tasks"]["type"] == "int | null"


def test_a_part_that_the_paper_describes_names_the_place() -> None:
    own = {
        *("shapes", "cifar10", "image-folder", "class-rows", "embedding-table", "hashed-ngrams"),
        *("mini-clip", "sentence-transformer", "class-means", "hypernetwork", "oracle"),
        *("generic-plus", "retrieval", "ridge-selection", "samples"),
    }
    unnamed = {
        entry.component.name
        for entry in ENTRIES
        if entry.owner == "tina-kit" and not described(entry, REGISTRY)["paper"]
    }
    assert unnamed == own, (
        "their summaries name no section, table or figure; if a component is not from the paper, "
        "say so here"
    )


def test_show_tells_units_paper_and_what_must_be_given(run, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        PART.replace(
            "    pass\n\nclass Dots",
            "    seconds: Annotated[float, Unit('s')] = Field(description='to wait')\n"
            "    root: Path = Field(description='a folder')\n\nclass Dots",
        )
        .replace('"Dots."', '"Dots (Section 4.2, Figures 4a and 5)."')
        .replace(
            "\n\n",
            "\nfrom pathlib import Path\nfrom typing import Annotated\nfrom pydantic import Field\n"
            "from tina_kit.api import Unit\n\n",
            1,
        )
    )
    text = run("show", "dataset", "dots", "--plugin", file, "--all").stdout
    assert "seconds: float (s), required\n      to wait\n" in text
    assert "the paper's Section 4.2, Figures 4a and 5" in text
    line = file.read_text().splitlines().index("class Dots:") + 1
    assert f"defined in {file.resolve()}:{line}" in text
    assert "# replace '.' with your own root: a folder" in text and "seconds: 1.0" in text
    snippet = tmp_path / "snippet.yaml"
    snippet.write_text(textwrap.dedent(text.partition("in a recipe:\n")[2]))
    assert run("validate", snippet).exit_code == 0  # it names the plugin's file


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.component.kind}-{e.component.name}")
def test_the_example_of_a_component_is_right_as_it_stands(entry, tmp_path: Path) -> None:
    found = discover()
    snippet = tmp_path / "snippet.yaml"
    snippet.write_text(example(entry, found))
    plain = load_recipe(snippet, found).plain()
    assert f"'use': '{entry.full_name}'" in str(plain)


def completed(*words: str, **environment: str) -> list[str]:
    """What bash is told to complete the last word with."""
    done = forked.completed(
        _TINA_KIT_COMPLETE="complete_bash",
        COMP_WORDS="\n".join(["tina-kit", *words]),
        COMP_CWORD=str(len(words)),
        **environment,
    )
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_kinds_and_names() -> None:
    assert completed("show", "t") == [kind for kind in KINDS if kind.startswith("t")]
    assert completed("show", "generator", "ti") == ["tina-dit"]
    assert completed("list", "gen") == ["generator"]


def test_the_shell_completes_recipes_profiles_and_keys(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + "profiles: {small: {tasks.id: 3}, large: {}}\n")
    folder = f"{recipe.parent}/"
    assert completed("run", folder) == [str(recipe)]
    assert completed("run", str(recipe), "--profile", "s") == ["small"]
    assert completed("run", str(recipe), "--set", "tasks.o") == ["tasks.ood="]
    assert completed("run", str(recipe), "--set", "generic.ep") == ["generic.epochs="]
    keys = completed("validate", str(recipe), "--set", "generators.tina-dit.h")
    assert keys == ["generators.tina-dit.hidden_size=", "generators.tina-dit.heads="]


def test_what_cannot_be_completed_is_no_error(tmp_path: Path) -> None:
    assert completed("run", str(tmp_path / "none.yaml"), "--profile", "s") == []
    assert completed("run", str(tmp_path / "none" / "x")) == []


def test_a_schema_is_written_whole_or_not_at_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "recipe.schema.json"
    place.write_text("older")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tina_kit.store.files.flush", full)
        assert invoke(["schema", "-o", str(place)]) == 1
    told = "no space left on this disk. Free some space, or choose another location with --output"
    assert capsys.readouterr().err == f"error: {tmp_path}: {told}\n"
    assert [path.read_text() for path in tmp_path.glob("*schema*")] == ["older"]
    assert invoke(["schema", "-o", str(place)]) == 0 and json.loads(place.read_text())


def test_a_file_is_a_plugin_for_every_command(run, recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PART)
    assert "dots" in run("list", "dataset", "--plugin", file).stdout
    assert "dataset local/dots" in run("show", "dataset", "dots", "--plugin", file).stdout
    assert "local:dots" in run("schema", "--plugin", file).stdout
    recipe.write_text(
        recipe.read_text().replace("{use: shapes, train: 10, test: 5, size: 16}", "dots")
    )
    assert run("validate", recipe, "--plugin", file).exit_code == 0
    assert run("validate", recipe).exit_code != 0


def test_a_run_with_a_plugin_file_can_be_generated_from(capsys, recipe, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    recipe.write_text(recipe.read_text().replace("  - {use: oracle}", "  - {use: mine}"))
    words = ["--output", str(tmp_path / "runs"), "--plugin", str(file)]
    assert invoke(["run", str(recipe), *words]) == 0
    folder = next((tmp_path / "runs" / "tiny").iterdir())
    out = tmp_path / "p.safetensors"
    asked = ["--classes", "red circle, blue star", "-o", str(out), "--generator", "mine"]
    assert invoke(["generate", str(folder), *asked]) == 0 and out.is_file()


@pytest.mark.parametrize("words", [("list",), ("run", "recipe.yaml")])
def test_a_plugin_file_that_is_none_is_told(capsys, tmp_path: Path, words) -> None:
    assert invoke([*words, "--plugin", "none.py"]) == 2
    assert capsys.readouterr().err == "error: --plugin none.py: there is no such file\n"
    file = tmp_path / "mine.py"
    file.write_text("import nothing_of_this_name")
    assert invoke([*words, "--plugin", str(file)]) == 2
    assert "No module named 'nothing_of_this_name'" in capsys.readouterr().err


def test_a_strict_environment_fails_with_a_broken_plugin(capsys, tmp_path, monkeypatch) -> None:
    install(tmp_path / "site-packages", "torn", "raise RuntimeError('no GPU')")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    assert invoke(["list"]) == 0
    monkeypatch.setenv("TINA_KIT_STRICT_PLUGINS", "1")
    assert invoke(["list"]) == 1
    assert "plugin torn of torn was skipped" in capsys.readouterr().err
    monkeypatch.setenv("TINA_KIT_DISABLE_PLUGINS", "torn")
    assert invoke(["list"]) == 0


def test_doctor_tells_what_is_broken_and_exits_with_1(run, tmp_path, monkeypatch) -> None:
    assert run("doctor").exit_code == 0
    store = tmp_path / "file"
    store.write_text("no folder")
    monkeypatch.setenv("TINA_KIT_STORE", str(store / "store"))
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path / "none"))
    result = run("doctor", "--json")
    told = {f["topic"]: f for f in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 1
    assert told["store"]["state"] == "broken" and "TINA_KIT_STORE" in told["store"]["remedy"]
    assert "no such folder" in told["TINA_KIT_DATA"]["text"]
    assert told["torch"]["state"] == "ok" and told["python"]["state"] == "ok"
    assert {"device", "precision", "extra text", "plugins"} <= told.keys()


def test_doctor_tells_a_package_that_is_too_old(run, monkeypatch) -> None:
    monkeypatch.setattr("tina_kit.pipeline.findings.version", lambda name: "0.0.1")
    result = run("doctor")
    assert result.exit_code == 1
    assert "broken  numpy" in result.stdout and "pip install 'numpy>=" in result.stdout
