"""Recipes are YAML 1.2: what a scientist writes is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tina_kit.recipe.node import RecipeError
from tina_kit.recipe.yaml12 import parse


def read(text: str):
    return parse(text, "r.yaml", Path())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1E3", 1000.0),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("-7", -7),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", float("inf")),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("'3'", "3"),
        ("1_000", "1_000"),
        ("3e", "3e"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read_value = read(f"key: {text}").plain()["key"]
    assert read_value == value and type(read_value) is type(value)


def test_equal_keys_are_refused_with_both_places() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:2:1: duplicate key .*line 1"):
        read("a: 1\na: 2\n")


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [id]", "!mine x", "!!binary aGk="]
)
def test_tags_never_run_code(tag: str) -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:1:.*this tag is not allowed"):
        read(f"a: {tag}")


def test_broken_yaml_names_its_place() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:\d+:\d+: invalid YAML: expected ',' or '\]'"):
        read("a: 1\nb: [1, 2\n")


def test_an_alias_may_not_hold_itself() -> None:
    with pytest.raises(RecipeError, match="cannot contain itself"):
        read("a: &a [*a]")


def test_aliases_are_read_like_what_they_stand_for() -> None:
    assert read("a: &x {b: 1}\nc: *x").plain() == {"a": {"b": 1}, "c": {"b": 1}}


def test_nodes_know_their_line_and_column() -> None:
    where = read("a:\n  b: 1\n").at("a", "b").where
    assert (where.line, where.column) == (2, 3)
