"""Recipes that come with tina-kit are found by name, listed and copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.recipe.catalogue import catalogue, copy_recipe
from tina_kit.recipe.load import profile_names
from tina_kit.recipe.shipped import recipe_file, shipped

ROOT = Path(__file__).parents[2] / "recipes"
NAMES = [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.yaml")]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints, or its error."""

    def run(*words: str) -> str:
        code = invoke(list(words))
        out, err = capsys.readouterr()
        return out if code == 0 else f"{code} {err}"

    return run


def test_all_of_the_repository_are_shipped() -> None:
    assert sorted(each.name for each in shipped()) == sorted(NAMES)
    stems = [each.path.stem for each in shipped()]
    assert len(set(stems)) == len(stems)  # so that `table1` is enough


@pytest.mark.parametrize(
    "name",
    [
        "paper/table1",
        "table1",
        "table1.yaml",
        "paper/table1.yaml",
        "recipes/paper/table1.yaml",
        "./table1",
    ],
)
def test_one_is_found_by_every_spelling_of_its_name(name: str) -> None:
    assert recipe_file(Path(name)) == ROOT / "paper" / "table1.yaml"


@pytest.mark.parametrize("name", ["table", "nowhere/table1", "table1.yml", "/table1", "table1/x"])
def test_another_name_is_none_of_theirs(name: str) -> None:
    assert recipe_file(Path(name)) == Path(name)


def test_a_file_of_the_users_comes_first_but_not_a_folder(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "quickstart").mkdir()
    assert load_recipe(Path("quickstart"), discover()).core.name == "quickstart"
    (tmp_path / "quickstart").rmdir()
    recipe.rename(tmp_path / "quickstart")
    assert load_recipe(Path("quickstart"), discover()).core.name == "tiny"


def test_commands_take_a_name(said) -> None:
    assert said("validate", "paper/fig4a") == "paper/fig4a: valid (smoke, laptop, paper)\n"
    assert "evaluate/oracle" in said("run", "quickstart", "--profile", "smoke", "--dry-run")
    assert profile_names(Path("quickstart")) == ["smoke", "laptop", "paper"]


def test_a_wrong_name_is_told_with_the_nearest_one(said) -> None:
    for words in (["run"], ["validate"], ["recipes", "copy"]):
        told = said(*words, "quickstrat")
        assert told.startswith("2 error: ")
        assert told.endswith("did you mean the shipped recipe 'quickstart'?\n")
    assert "`tina-kit recipes` lists the shipped recipes" in said("run", "no_such_thing")


def test_they_are_listed_with_a_line_each(said) -> None:
    lines = said("recipes").splitlines()
    assert [line.split()[0] for line in lines] == ["name", *(each.name for each in shipped())]
    [line] = [line for line in lines if line.startswith("quickstart ")]
    assert line.split()[1] == "shapes" and line.endswith("in minutes")
    facts = json.loads(said("recipes", "--json"))
    assert [set(each) for each in facts] == [
        {"name", "dataset", "time", "description", "path"}
    ] * len(NAMES)
    assert all(Path(each["path"]).is_file() for each in facts)


def test_each_has_a_description_of_its_own_in_one_line() -> None:
    told = [each.description for each in catalogue()]
    assert len(set(told)) == len(told) and all(0 < len(line) <= 75 for line in told)


def test_a_recipe_that_extends_another_takes_over_neither_description_nor_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {ROOT / 'quickstart.yaml'}\n")
    core = load_recipe(path, discover()).core
    assert (core.name, core.description, core.time) == ("mine", "", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_says_the_same_in_every_profile(name: str, tmp_path: Path) -> None:
    registry, copied = discover(), copy_recipe(name, tmp_path)
    assert copied == tmp_path / f"{Path(name).name}.yaml"
    assert "extends" not in copied.read_text(encoding="utf-8").replace("what it extends", "")
    for profile in (None, *profile_names(copied)):
        recipes = [load_recipe(path, registry, profile=profile) for path in (copied, Path(name))]
        assert recipes[0].plain() == recipes[1].plain()


def test_a_recipe_that_extends_none_is_copied_as_it_is(tmp_path: Path) -> None:
    copied = copy_recipe("quickstart", tmp_path)
    assert copied.read_bytes() == (ROOT / "quickstart.yaml").read_bytes()


def test_a_copy_replaces_nothing(tmp_path: Path, said) -> None:
    assert said("recipes", "copy", "table1") == "tina-kit run table1.yaml\n"
    (tmp_path / "table1.yaml").write_text("mine")
    told = said("recipes", "copy", "table1")
    assert told.startswith("2 error: table1.yaml: this file exists; remove it, or name another")
    assert (tmp_path / "table1.yaml").read_text() == "mine"
    assert "there is no folder" in said("recipes", "copy", "table1", "none")


def test_copying_an_unknown_one_raises_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no shipped recipe 'mine'"):
        copy_recipe("mine", tmp_path)
