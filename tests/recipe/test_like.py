"""A row of `generators` takes the options of an earlier row, and gives its own for some."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_inspection import completed
from tina_kit.api import UserError
from tina_kit.plugins import discover
from tina_kit.recipe import Recipe, load_recipe
from tina_kit.recipe.load import vary
from tina_kit.recipe.node import Where

RECIPE = """\
dataset: {use: shapes}
architecture: {use: cnn}
conditioner: {use: hashed-ngrams}
generators:
  - oracle
  - {use: tina-dit, name: first, hidden_size: 64, heads: 4, tokenizer: {use: class-rows, size: 9}}
"""


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def load(tmp_path: Path, registry):
    def load(*rows: str, base: str = RECIPE, **options) -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_text(base + "".join(f"  - {row}\n" for row in rows))
        return load_recipe(path, registry, **options)

    return load


def rows(recipe: Recipe) -> dict[str, dict[str, object]]:
    return {row.pop("name"): row for row in recipe.plain()["generators"]}


def test_it_is_the_same_as_writing_all_of_it_again(load) -> None:
    short = load("{like: first, name: second, depth: 2, tokenizer: {size: 7}}")
    long = load(
        "{use: tina-dit, name: second, hidden_size: 64, heads: 4, depth: 2, "
        "tokenizer: {use: class-rows, size: 7}}"
    )
    assert short.plain() == long.plain()
    assert short.generators[2].component.settings() == long.generators[2].component.settings()


def test_a_component_of_another_name_replaces_a_nested_one(load) -> None:
    recipe = load("{like: first, name: second, tokenizer: {use: layer-chunks}}")
    assert rows(recipe)["second"]["tokenizer"] == {"use": "tina-kit/layer-chunks", "size": 576}


def test_rows_form_a_chain(load) -> None:
    found = rows(load("{like: first, name: b, depth: 2}", "{like: b, name: c, heads: 2}"))
    assert [found[name]["depth"] for name in ("b", "c")] == [2, 2]
    assert [found[name]["heads"] for name in ("first", "b", "c")] == [4, 4, 2]


def test_an_override_of_a_row_holds_for_those_like_it(load) -> None:
    more = ("{like: first, name: same}", "{like: first, name: own, depth: 2}")
    found = rows(load(*more, sets=["generators.first.depth=3"]))
    assert [found[name]["depth"] for name in ("first", "same", "own")] == [3, 3, 2]
    found = rows(load(*more, sets=["generators.same.depth=3"]))
    assert [found[name]["depth"] for name in ("same", "own")] == [3, 2]
    found = rows(load(*more, sets=["generators.tina-dit.depth=3"]))
    assert [found[name]["depth"] for name in ("first", "same", "own")] == [3, 3, 3]
    varied = vary(load(*more), {"generators.first.depth": 5}, Where("a study", 0, 0, Path()))
    assert rows(varied)["same"]["depth"] == 5


def test_own_options_may_leave_others_without_effect(load) -> None:
    base = RECIPE.replace("heads: 4", "heads: 4, row_weight: 5")
    row = "{like: first, name: second, objective: task, base: selection}"
    recipe = load(row, "{like: second, name: third}", base=base)
    assert [row.component.options.objective for row in recipe.generators[2:]] == ["task"] * 2
    with pytest.raises(UserError, match=r"generators\.second\.row_weight"):
        load(row.replace("}", ", row_weight: 5}"), base=base)


def test_the_shell_completes_the_keys_of_such_a_row(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE + "  - {like: first, name: second}\n")
    assert completed("run", str(path), "--set", "generators.second.dep") == [
        "generators.second.depth="
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            "{like: frist, name: b}",
            "r.yaml:7:6: generators.b.like: there is no earlier row 'frist'; did you mean 'first'?",
        ),
        (
            "{like: b, name: b}",
            "r.yaml:7:6: generators.b.like: there is no earlier row 'b'",
        ),
        ("{like: [first], name: b}", "r.yaml:7:6: generators.b.like: must be the name of an"),
        ("{like: first}", "r.yaml:7:5: generators.2: give this row a `name`"),
        ("{like: first, name: first}", "generators.first: duplicate row name"),
        (
            "{like: first, name: b, use: hypernetwork}",
            "r.yaml:7:28: generators.b.use: 'first' is a tina-dit, which has other options: leave",
        ),
        (
            "{like: first, name: b, dept: 2}",
            "r.yaml:7:28: generators.b.dept: unknown option; did you mean 'depth'?",
        ),
        ("{like: oracle, name: b, depth: 2}", "r.yaml:7:29: generators.b.depth: unknown option"),
    ],
)
def test_a_mistake_is_told_with_its_place(load, row: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load(row)
    (message,) = str(caught.value).splitlines()
    assert told in message


def test_a_mistake_in_the_first_row_is_told_once(load) -> None:
    with pytest.raises(UserError) as caught:
        load("{like: first, name: b}", base=RECIPE.replace("hidden_size", "hiden_size"))
    (message,) = str(caught.value).splitlines()
    assert "r.yaml:6:34: generators.first.hiden_size" in message


def test_a_row_like_one_that_is_wrong_adds_no_message(load) -> None:
    with pytest.raises(UserError) as raised:
        load("{like: b, name: a}", "{like: a, name: b}")
    assert "no earlier row 'b'" in str(raised.value)
    assert "generators.b" not in str(raised.value)
