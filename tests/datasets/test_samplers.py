"""Tasks: balanced, disjoint, seeded, and the same ones when more are asked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tina_datasets.options import BalancedPermutationsOptions
from tina_datasets.samplers import BalancedPermutations

from tina_kit.api import Classes, UserError


def draw(count: int, seed: int = 0, /, **options: int) -> dict[str, torch.Tensor]:
    sampler = BalancedPermutations(BalancedPermutationsOptions(**options))
    return sampler.draw(Classes([f"class {i}" for i in range(count)]), seed)


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 101), st.integers(2, 9), st.integers(0, 2**31))
def test_tasks_are_disjoint_sets_of_distinct_classes(classes: int, size: int, seed: int) -> None:
    tasks = draw(classes, seed, classes=size, id=40, ood=15)
    assert tasks["id"].shape == (40, size) and tasks["ood"].shape == (15, size)
    sets = [frozenset(task) for rows in tasks.values() for task in rows.tolist()]
    assert all(len(members) == size for members in sets)
    assert len(set(sets)) == 55


@pytest.mark.parametrize("classes", [100, 101])
def test_every_class_is_drawn_about_equally_often(classes: int) -> None:
    counts = torch.bincount(draw(classes, id=1000, ood=150)["id"].flatten(), minlength=classes)
    assert counts.max() - counts.min() <= 2


def test_more_id_tasks_leave_the_first_ones_and_the_ood_tasks_as_they_were() -> None:
    few, many = draw(100, id=100, ood=50), draw(100, id=200, ood=50)
    assert torch.equal(many["id"][:100], few["id"])
    assert torch.equal(many["ood"], few["ood"])


def test_the_seed_decides() -> None:
    assert torch.equal(draw(50, 3)["id"], draw(50, 3)["id"])
    assert not torch.equal(draw(50, 3)["id"], draw(50, 4)["id"])


def test_a_task_larger_than_the_class_count_is_told() -> None:
    with pytest.raises(UserError, match="12 classes per task, but the data set has only 11"):
        draw(11, classes=12)


def test_tasks_of_various_sizes_end_in_minus_one_and_stay_balanced() -> None:
    tasks = draw(50, classes=8, smallest=5, id=400, ood=60)["id"]
    sizes = (tasks >= 0).sum(1)
    assert torch.bincount(sizes).tolist() == [0] * 5 + [100] * 4
    assert all((row[size:] == -1).all() for row, size in zip(tasks, sizes))
    counts = torch.bincount(tasks[tasks >= 0], minlength=50)
    assert counts.max() - counts.min() <= 2


def test_a_smallest_task_larger_than_the_largest_is_told() -> None:
    with pytest.raises(UserError, match=r"smallest \(9\) exceeds classes \(8\)"):
        draw(50, classes=8, smallest=9)


def test_more_tasks_than_there_are_is_told() -> None:
    with pytest.raises(UserError, match="have 45 subsets of 2"):
        draw(10, classes=2, id=40, ood=10)
