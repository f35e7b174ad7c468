"""What `--set` of a sweep may say, and the points that follow from it."""

from __future__ import annotations

import pytest

from tina_kit.api import UserError
from tina_kit.sweeps.axes import Axis, Range, axes_of, short_names, shown
from tina_kit.sweeps.points import drawn, grid


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=2,4,6", (2, 4, 6)),
        ("k=1e-3, 3e-4", (1e-3, 3e-4)),
        ("k=[16,32],[32,64]", ([16, 32], [32, 64])),
        ("k={use: cnn, width: 4}, {use: b}", ({"use": "cnn", "width": 4}, {"use": "b"})),
        ('k="a, b",c', ("a, b", "c")),
        ("k=true,null,no", (True, None, "no")),
        ("k=../images,x..y", ("../images", "x..y")),  # no ranges
        ("k=1..9", Range(1, 9, whole=True, log=False)),
        ("k=0.5..1", Range(0.5, 1, whole=False, log=False)),
        ("k=log:1e-4..1e-2", Range(1e-4, 1e-2, whole=False, log=True)),
    ],
)
def test_values_are_separated_by_commas_outside_of_brackets(text: str, values: object) -> None:
    axes = axes_of([text, "other=1,2"])
    assert axes[0] == Axis("k", values)
    again = {axes[0].key: axes[0].plain()}
    assert axes_of({**again, "other": [1, 2]}) == axes  # as `sweep.json` and Python write it


@pytest.mark.parametrize(
    ("sets", "told"),
    [
        (["k"], "write it as key=value,value"),
        (["k="], "write it as key=value,value"),
        (["k=[1,2"], "--set k=[1,2"),
        (["k=1,1"], "--set k: duplicate value"),
        (["k=1,2", "k=3,4"], "--set k: given twice"),
        (["k=1"], "nothing varies"),
        ([], "nothing varies"),
        (["k=9..1"], "--set k=9..1: a range goes from a number to a larger one"),
        (["k=log:0..1"], "with log: both above 0"),
        (["k=1..2,7"], "either one range or values"),
        ({"k": []}, "--set k: no values"),
    ],
)
def test_a_mistake_is_one_message(sets: object, told: str) -> None:
    with pytest.raises(UserError) as raised:
        axes_of(sets)  # type: ignore[arg-type]
    assert told in str(raised.value)


def test_a_grid_has_every_combination_in_order() -> None:
    points = grid(axes_of(["a=1,2", "fixed=x", "b=[3],[4]"]))
    assert points == [
        {"a": 1, "fixed": "x", "b": [3]},
        {"a": 1, "fixed": "x", "b": [4]},
        {"a": 2, "fixed": "x", "b": [3]},
        {"a": 2, "fixed": "x", "b": [4]},
    ]
    with pytest.raises(UserError, match="a grid needs values"):
        grid(axes_of(["a=1..4"]))
    with pytest.raises(UserError, match="the grid has 1,600 points"):
        grid(axes_of({"a": list(range(40)), "b": list(range(40))}))


def test_more_random_points_begin_with_the_fewer() -> None:
    for sets in (["a=1,2,3,4", "b=5,6,7"], ["a=1,2,3,4", "b=log:1e-4..1e-2", "c=3..5"]):
        axes = axes_of(sets)
        some, more = drawn(axes, 5, seed=1), drawn(axes, 9, seed=1)
        assert some == more[:5] and some != drawn(axes, 5, seed=2)
        assert len({repr(point) for point in more}) == 9
        assert all(1e-4 <= p["b"] <= 1e-2 and p["c"] in (3, 4, 5) for p in more if "c" in p)
    assert len(drawn(axes_of(["a=1,2", "b=3,4"]), 9, seed=0)) == 4  # there are no more


def test_keys_are_shortened_to_what_tells_them_apart() -> None:
    keys = ["generators.tina-dit.steps", "generic.epochs", "generators.hyper.steps", "zoo"]
    assert list(short_names(keys).values()) == [
        "tina-dit.steps",
        "generic.epochs",
        "hyper.steps",
        "zoo",
    ]
    assert short_names(["x.a.b", "y.a.b"]) == {"x.a.b": "x.a.b", "y.a.b": "y.a.b"}
    assert shown([True, None, 0.00123456]) == "[true, null, 0.001235]"
