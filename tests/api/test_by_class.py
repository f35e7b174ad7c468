"""Random items of classes of unequal sizes, each as likely as it should be."""

from __future__ import annotations

import pytest
import torch

from tina_kit.api import ByClass

LABELS = torch.tensor([2, 0, 2, 5, 0, 2, 2])  # classes 1, 3 and 4 have no item


def test_items_of_a_class_lie_side_by_side_in_their_order() -> None:
    by_class = ByClass(LABELS, 8)
    assert by_class.items.tolist() == [1, 4, 0, 2, 5, 6, 3]
    assert by_class.counts.tolist() == [2, 0, 4, 0, 0, 1, 0, 0]
    assert by_class.starts.tolist() == [0, 2, 2, 6, 6, 6, 7, 7]
    pools = [[1, 4], [], [0, 2, 5, 6], [], [], [3], [], []]
    assert [pool.tolist() for pool in by_class.pools] == pools
    assert len(ByClass(LABELS).counts) == 6


def test_a_selection_keeps_its_order_within_a_class() -> None:
    by_class = ByClass(LABELS, selected=torch.tensor([6, 3, 0, 4, 2]))
    assert [pool.tolist() for pool in by_class.pools] == [[4], [], [6, 0, 2], [], [], [3]]


def test_places_begin_again_behind_the_last_item() -> None:
    by_class = ByClass(LABELS)
    taken = by_class.take(torch.tensor([[0], [2], [5]]), torch.arange(5))
    assert taken.tolist() == [[1, 4, 1, 4, 1], [0, 2, 5, 6, 0], [3, 3, 3, 3, 3]]


def test_a_class_without_items_gives_some_item_and_no_error() -> None:
    by_class = ByClass(LABELS, 8)
    classes = torch.tensor([-1, 1, 4, 7])
    items = by_class.pick(classes, torch.rand(4))
    assert ((items >= 0) & (items < len(LABELS))).all()
    assert by_class.places(classes, torch.rand(4)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_item_of_a_class_is_equally_likely(dtype: torch.dtype) -> None:
    by_class = ByClass(LABELS)
    uniform = torch.arange(12, dtype=dtype) / 12
    for class_, pool in enumerate(by_class.pools):
        if len(pool):
            picked = by_class.pick(torch.full((12,), class_), uniform)
            assert picked.tolist() == pool.repeat_interleave(12 // len(pool)).tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_item_of_a_task_is_equally_likely(dtype: torch.dtype) -> None:
    by_class = ByClass(LABELS)
    tasks = torch.tensor([[5, 0, 2], [2, -1, 0], [1, 5, -1]])
    for task, total in zip(tasks, (7, 6, 1)):
        uniform = (torch.arange(total, dtype=dtype) + 0.5) / total
        items, places = by_class.pick_of_tasks(task[None], uniform[None])
        own = [item for c in task.tolist() if c >= 0 for item in by_class.pools[c].tolist()]
        assert items[0].tolist() == own
        assert torch.equal(task[places[0]], LABELS[items[0]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 3, 1000, 2**24 + 2])
def test_the_largest_random_number_leads_to_the_last_item(dtype: torch.dtype, count: int) -> None:
    by_class = ByClass(torch.zeros(1, dtype=torch.int64))
    by_class.counts = torch.tensor([count])
    largest = torch.nextafter(torch.ones(1, dtype=dtype), torch.zeros(1, dtype=dtype))
    place = int(by_class.places(torch.tensor([0]), largest))
    assert place < count and (dtype != torch.float64 or place == count - 1)
