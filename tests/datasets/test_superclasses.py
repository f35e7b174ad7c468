"""Tasks by shared superclasses: three kinds, their ratio, balance, disjointness and growth."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tina_datasets.options import SuperclassMixOptions
from tina_datasets.superclasses import SuperclassMix

from tina_kit.api import Classes, UserError

CIFAR = [(7 * class_) % 20 for class_ in range(100)]  # 20 superclasses of five classes


def draw(superclasses: list[int] | None, seed: int = 0, /, **options) -> dict[str, torch.Tensor]:
    names = [f"class {i}" for i in range(100 if superclasses is None else len(superclasses))]
    sampler = SuperclassMix(SuperclassMixOptions(**options))
    return sampler.draw(Classes(names, superclasses), seed)


def shape(task: list[int], superclasses: list[int] = CIFAR) -> tuple[int, ...]:
    """How many classes the task has of each superclass, the most first."""
    counts = Counter(superclasses[class_] for class_ in task if class_ >= 0)
    return tuple(sorted(counts.values(), reverse=True))


APART, SHARING, TWO = (1,) * 10, (2, 2, *(1,) * 6), (5, 5)


@pytest.fixture(scope="module")
def paper() -> dict[str, torch.Tensor]:
    return draw(CIFAR)


def test_each_split_has_the_three_kinds_3_to_2_to_1(paper: dict[str, torch.Tensor]) -> None:
    ood = Counter(map(shape, paper["ood"].tolist()))
    assert ood == {APART: 75, SHARING: 50, TWO: 25}
    first = Counter(map(shape, paper["id"][:600].tolist()))
    assert first == {APART: 300, SHARING: 200, TWO: 100}


def test_all_190_pairs_of_superclasses_are_used_and_others_fill_in(paper) -> None:
    every = Counter(map(shape, torch.cat([paper["ood"], paper["id"]]).tolist()))
    assert every[TWO] == 190
    assert every[APART] + every[SHARING] == 960
    assert paper["id"].shape == (1000, 10)


def test_every_class_is_drawn_about_equally_often(paper: dict[str, torch.Tensor]) -> None:
    for tasks in paper.values():
        counts = torch.bincount(tasks.flatten(), minlength=100)
        assert counts.max() - counts.min() <= 3


def test_no_set_is_drawn_twice(paper: dict[str, torch.Tensor]) -> None:
    sets = [frozenset(task) for tasks in paper.values() for task in tasks.tolist()]
    assert len(set(sets)) == 1150 and {len(members) for members in sets} == {10}


def test_the_label_order_does_not_follow_the_superclasses(paper) -> None:
    two = [task for task in paper["id"].tolist() if shape(task) == TWO]
    firsts = [len({CIFAR[class_] for class_ in task[:5]}) for task in two]
    assert firsts.count(2) > 100


def test_more_id_tasks_leave_the_first_ones_and_the_ood_tasks_as_they_were(paper) -> None:
    few = draw(CIFAR, id=100)
    assert torch.equal(paper["id"][:100], few["id"])
    assert torch.equal(paper["ood"], few["ood"])


def test_the_seed_decides() -> None:
    few = {"id": 20, "ood": 10}
    assert torch.equal(draw(CIFAR, 3, **few)["id"], draw(CIFAR, 3, **few)["id"])
    assert not torch.equal(draw(CIFAR, 3, **few)["id"], draw(CIFAR, 4, **few)["id"])


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(*[st.integers(0, 4)] * 3).filter(any),
    st.integers(2, 8),
    st.integers(0, 2**31),
)
def test_any_ratio_and_size_gives_disjoint_sets(ratio, classes: int, seed: int) -> None:
    tasks = draw([i % 12 for i in range(84)], seed, ratio=ratio, classes=classes, id=30, ood=12)
    sets = [frozenset(task) for rows in tasks.values() for task in rows.tolist()]
    assert len(set(sets)) == 42 and {len(members) for members in sets} == {classes}


def test_a_kind_can_be_left_out() -> None:
    tasks = draw(CIFAR, ratio=(0, 0, 1), id=40, ood=10)
    assert {shape(task) for rows in tasks.values() for task in rows.tolist()} == {TWO}
    for senseless in ((0, 0, 0), (3, -1, 1)):
        with pytest.raises(ValidationError, match="at least one must be positive"):
            SuperclassMixOptions(ratio=senseless)


def test_each_kind_comes_in_all_sizes() -> None:
    tasks = draw(CIFAR, classes=10, smallest=5, id=360, ood=36)["id"]
    sizes = Counter((tasks >= 0).sum(1).tolist())
    assert sizes == dict.fromkeys(range(5, 11), 60)
    shapes = {shape(task) for task in tasks.tolist()}
    assert {(3, 2), (3, 3), (4, 3), (4, 4), (5, 4), (5, 5)} <= shapes
    assert {(1,) * size for size in range(5, 11)} <= shapes


def test_more_tasks_than_there_are_is_told_and_ends() -> None:
    with pytest.raises(UserError, match="2 OOD tasks are too many"):
        draw([0, 0, 1, 1], ratio=(0, 0, 1), classes=4, id=1, ood=2)


def test_a_data_set_without_superclasses_is_told() -> None:
    with pytest.raises(UserError, match="has no superclasses, which cifar100-superclass-mix needs"):
        draw(None)


def test_all_kinds_that_the_superclasses_do_not_allow_are_told() -> None:
    with pytest.raises(UserError) as caught:
        draw([i % 9 for i in range(36)])
    message = str(caught.value)
    assert "9 superclasses of 4 to 4 classes" in message
    assert "'apart' tasks of 10 classes need 10 superclasses" in message
    assert "'two' tasks of 10 classes need 2 superclasses, of 5 + 5 classes" in message
    assert "'sharing'" not in message
