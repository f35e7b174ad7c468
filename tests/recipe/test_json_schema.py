"""The JSON Schema holds for every shipped recipe and refuses what the loader refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tina_kit.cli.app import app
from tina_kit.plugins import discover
from tina_kit.recipe.json_schema import recipe_schema
from tina_kit.recipe.yaml12 import parse

ROOT = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(ROOT.rglob("*.yaml"))
GOOD: dict[str, Any] = {
    "dataset": {"use": "shapes", "train": 10},
    "tasks": {"id": 12},
    "architecture": "cnn",
    "conditioner": {"use": "tina-kit/hashed-ngrams"},
    "generic": {"epochs": 1},
    "generators": [
        "oracle",
        {"use": "tina-dit", "name": "small", "depth": 1, "tokenizer": {"use": "class-rows"}},
        {"like": "small", "name": "other", "heads": 2},
        {"use": "tina-dit", "like": "small", "name": "another", "heads": 2},
    ],
    "studies": [{"use": "class-counts", "counts": [2, 3]}],
    "profiles": {"smoke": {"tasks.id": 3, "generators.small.depth": 2}},
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    def skipped(text: str) -> None:
        raise AssertionError(text)

    made = recipe_schema(discover(), skipped)
    Draft202012Validator.check_schema(made)
    return made


def complaints(schema: dict[str, Any], recipe: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(recipe)]


def changed(path: str, value: Any) -> dict[str, Any]:
    recipe = copy.deepcopy(GOOD)
    place: Any = recipe
    *way, last = path.split("/")
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return recipe


def test_the_shipped_recipes_are_valid(schema) -> None:
    found = {
        path.stem: complaints(schema, parse(path.read_text(), str(path), path.parent).plain())
        for path in RECIPES
    }
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_good_recipe_is_valid(schema) -> None:
    assert complaints(schema, GOOD) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("datset", {"use": "shapes"}),
        ("dataset/trian", 10),
        ("dataset/train", "ten"),
        ("dataset/train", 0),
        ("dataset/use", "shaps"),
        ("dataset", {"train": 10}),
        ("dataset", {"use": "image-folder"}),
        ("architecture", "cmm"),
        ("generic/epochs", 1.5),
        ("generic/epoch", 1),
        ("seed", -1),
        ("precision", "fp16"),
        ("generators", []),
        ("generators/0", "orcale"),
        ("generators/1/dept", 1),
        ("generators/1/depth", "1"),
        ("generators/1/sampler", "dpm"),
        ("generators/1/tokenizer/use", "class-row"),
        ("generators/1/tokenizer/sise", 3),
        ("generators/1/augmentations", {"use": "classifier-permutation"}),
        ("generators/1/augmentations", [{"use": "shapes"}]),
        ("generators/2", {"like": "small", "heads": 2}),
        ("generators/2", {"like": 3, "name": "other"}),
        ("generators/3/head", 2),
        ("dataset/like", "small"),
        ("studies/0", {"use": "class-counts"}),
        ("profiles/smoke", 3),
        ("plugins", "mine.py"),
    ],
)
def test_a_wrong_recipe_is_refused(schema, path: str, value: Any) -> None:
    assert complaints(schema, changed(path, value))


@pytest.mark.parametrize("key", ["dataset", "architecture", "conditioner", "generators"])
def test_a_missing_key_is_refused_unless_another_recipe_says_it(schema, key: str) -> None:
    less = {name: value for name, value in GOOD.items() if name != key}
    assert complaints(schema, less)
    assert complaints(schema, {**less, "extends": "other.yaml"}) == []


def test_what_another_recipe_says_need_not_be_said_again(schema) -> None:
    assert complaints(schema, {"extends": "other.yaml", "dataset": {"train": 3}}) == []
    assert complaints(schema, {"extends": "other.yaml", "dataset": {"use": "image-folder"}}) == []
    assert complaints(schema, {"extends": "other.yaml", "dataset": {"use": "shaps"}})


def test_a_part_of_a_local_file_is_let_through(schema) -> None:
    assert complaints(schema, changed("dataset", {"use": "local/mine", "any": 1})) == []


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    out = tmp_path / "recipe.schema.json"
    result = CliRunner().invoke(app, ["schema", "-o", str(out)])
    assert result.exit_code == 0 and result.stdout == ""
    assert f"yaml-language-server: $schema={out}" in result.stderr
    assert json.loads(out.read_text())["$schema"].endswith("2020-12/schema")
