"""Unseen classes: two shards with similar classes apart, and the share of each test split."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tina_conditioners.ngrams import HashedNgrams
from tina_conditioners.options import HashedNgramsOptions
from tina_datasets.options import UnseenClassesOptions
from tina_datasets.unseen import UnseenClasses, similar_pairs

from tina_kit.api import Classes, UserError

WORDS = "apple bear clock dolphin elm forest girl house iris kangaroo lamp maple needle otter pear"
TWINS = [f"{word}{end}" for word in WORDS.split() for end in ("", "s")]


def sampler(**options) -> UnseenClasses:
    similarity = HashedNgrams(HashedNgramsOptions())
    return UnseenClasses(UnseenClassesOptions(**options), similarity=similarity)


def classes(count: int) -> Classes:
    return Classes([f"{WORDS.split()[i % 15]} {i}" for i in range(count)])


@pytest.fixture(scope="module")
def paper() -> tuple[dict[str, torch.Tensor], set[int]]:
    """The default's tasks of 100 classes, and the seen ones."""
    drawer = sampler()
    return drawer.draw(classes(100), 0), set(drawer.seen(classes(100), 0).tolist())


def test_id_and_ood_tasks_hold_only_seen_classes(paper) -> None:
    tasks, seen = paper
    assert len(seen) == 50
    assert tasks["id"].shape == (1000, 10) and tasks["ood"].shape == (150, 10)
    assert set(tasks["id"].flatten().tolist()) == seen
    assert set(tasks["ood"].flatten().tolist()) == seen


@pytest.mark.parametrize("share", [0, 20, 40, 60, 100])
def test_a_test_split_has_its_share_of_unseen_classes_in_every_task(paper, share: int) -> None:
    tasks, seen = paper
    split = tasks[f"unseen {share}%"]
    assert split.shape == (150, 10)
    for task in split.tolist():
        assert len(set(task)) == 10 and len(set(task) - seen) == share // 10


def test_every_class_of_a_shard_is_drawn_about_equally_often(paper) -> None:
    tasks, seen = paper
    of_seen = torch.zeros(100, dtype=torch.bool)
    of_seen[sorted(seen)] = True
    for split in tasks.values():
        counts = torch.bincount(split.flatten(), minlength=100)
        for shard in (counts[of_seen], counts[~of_seen]):
            assert shard.max() - shard.min() <= 2


def test_no_set_is_drawn_twice(paper) -> None:
    sets = [frozenset(task) for split in paper[0].values() for task in split.tolist()]
    assert len(set(sets)) == len(sets) == 1000 + 150 + 5 * 150


def test_unseen_classes_stand_anywhere_in_a_task(paper) -> None:
    tasks, seen = paper
    places = {
        place
        for task in tasks["unseen 20%"].tolist()
        for place, class_ in enumerate(task)
        if class_ not in seen
    }
    assert places == set(range(10))


def test_more_id_tasks_leave_all_others_as_they_were(paper) -> None:
    few = sampler(id=100).draw(classes(100), 0)
    assert torch.equal(paper[0]["id"][:100], few.pop("id"))
    assert all(torch.equal(paper[0][name], split) for name, split in few.items())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_of_two_similar_classes_each_shard_gets_one(seed: int) -> None:
    seen = sampler().seen(Classes(TWINS), seed).tolist()
    assert seen == sorted(seen)
    assert sorted(class_ // 2 for class_ in seen) == list(range(15))


def test_a_coin_decides_which_of_two_is_seen() -> None:
    drawer = sampler()
    seen = [tuple(drawer.seen(Classes(TWINS), seed).tolist()) for seed in (0, 0, 1, 2)]
    assert seen[0] == seen[1] and len(set(seen)) == 3


def test_pairs_are_the_most_similar_that_are_free() -> None:
    angle = torch.tensor([0.0, 90.0, 3.0, 88.0, 40.0]).deg2rad()
    rows = torch.stack([angle.cos(), angle.sin()], 1) * torch.tensor([[1.0], [9], [2], [1], [5]])
    assert similar_pairs(rows, 2) == [(1, 3), (0, 2)]
    assert similar_pairs(rows, 1) == [(1, 3)]


@pytest.mark.parametrize(("seen", "count"), [(0.5, 15), (0.7, 21), (20, 20), (0.3, 9)])
def test_the_first_shard_has_the_size_asked_for(seen: float, count: int) -> None:
    first, second = sampler(seen=seen).shards(TWINS, 0)
    assert len(first) == count and sorted(first + second) == list(range(30))
    # As many pairs as the smaller shard has room for are apart, so no pair lies in it.
    smaller = min(first, second, key=len)
    assert len({class_ // 2 for class_ in smaller}) == len(smaller)


def test_an_odd_number_of_classes_is_cut_in_two() -> None:
    first, second = sampler().shards(classes(101).names, 0)
    assert sorted(first + second) == list(range(101)) and abs(len(first) - len(second)) == 1


def test_the_generic_model_may_see_all_while_the_zoo_does_not(paper) -> None:
    drawer = sampler(protocol="generic-saw-all")
    assert drawer.seen(classes(100), 0) is None
    tasks = drawer.draw(classes(100), 0)
    assert all(torch.equal(tasks[name], split) for name, split in paper[0].items())


def test_shares_count_in_tasks_of_every_size() -> None:
    drawer = sampler(classes=10, smallest=5, shares=(40,), tests=60, id=60, ood=12)
    split = drawer.draw(classes(100), 0)["unseen 40%"]
    seen = drawer.seen(classes(100), 0)
    sizes = (split >= 0).sum(1)
    unseen = ((split >= 0) & ~torch.isin(split, seen)).sum(1)
    assert torch.bincount(sizes).tolist() == [0] * 5 + [10] * 6
    assert torch.equal(unseen, (sizes * 0.4).round().long())


def test_shards_too_small_for_the_tasks_are_told() -> None:
    with pytest.raises(UserError, match="in the seen shard of 8 classes: 10 classes per task"):
        sampler(seen=8).draw(classes(100), 0)
    with pytest.raises(UserError, match=r"100% unseen are too many: 92 seen and 8 unseen"):
        sampler(seen=92).draw(classes(100), 0)
    with pytest.raises(UserError, match="100 of 100 classes leave a shard empty"):
        sampler(seen=100).seen(classes(100), 0)


def test_a_conditioner_that_must_learn_first_is_refused() -> None:
    drawer = sampler()
    drawer.similarity.learns = True
    with pytest.raises(
        UserError, match="similarity: HashedNgrams must first be trained on the data set"
    ):
        drawer.seen(classes(100), 0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seen": 2.5}, "must be an integer"),
        ({"seen": 0}, "greater than 0"),
        ({"shares": (20, 20)}, "must be distinct"),
        ({"shares": (101,)}, "from 0 to 100"),
    ],
)
def test_options_without_sense_are_refused(options: dict, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        UnseenClassesOptions(**options)
