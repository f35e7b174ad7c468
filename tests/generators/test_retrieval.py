"""Retrieval gives the nearest ID task's p-Model, its rows in the order of the prompts."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_generators.options_compared import RetrievalOptions
from tina_generators.retrieval import Retrieval
from torch import Tensor

from tina_kit.api import Context, Request, UserError, Zoo

ARCHITECTURE = CNN(CNNOptions(widths=(2, 3)))
CLASSES, C, WIDTH = 12, 4, 5
ROWS = 3 + torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0))
PADDING = torch.full((WIDTH,), 7.0)
LAYOUT = ARCHITECTURE.layout(C)


def conditions(tasks: Tensor) -> Tensor:
    return torch.cat([ROWS, PADDING[None]])[tasks]  # -1 is the padding prompt


def drawn(count: int = 30, seed: int = 1) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(count, CLASSES, generator=random).argsort(1)[:, :C]


def fitted(tasks: Tensor) -> tuple[Retrieval, Tensor]:
    generator = Retrieval(RetrievalOptions())
    generator.setup(
        Context(
            architecture=ARCHITECTURE,
            classes=C,
            class_count=CLASSES,
            width=WIDTH,
            padding=PADDING,
            generic=torch.zeros(ARCHITECTURE.layout(CLASSES).size),
            generic_classes=torch.arange(CLASSES),
            frozen={},
            device=torch.device("cpu"),
            train=lambda *_: pytest.fail("there is nothing to train"),
            learning=None,
            personalise=lambda tasks: pytest.fail("only a control may look"),
        )
    )
    random = torch.Generator().manual_seed(2)
    vectors = torch.randn(len(tasks), LAYOUT.size, generator=random)
    generator.fit(Zoo(tasks, conditions(tasks), vectors))
    return generator, vectors


def test_an_id_task_gets_its_own_p_model() -> None:
    tasks = drawn()
    generator, vectors = fitted(tasks)
    assert torch.equal(generator.generate(Request(conditions(tasks), tasks)), vectors)


def test_rows_follow_the_order_of_the_prompts() -> None:
    tasks = drawn()
    generator, vectors = fitted(tasks)
    order = torch.tensor([2, 0, 3, 1])
    made = generator.generate(Request(conditions(tasks[:, order]), tasks[:, order]))
    assert torch.equal(made, LAYOUT.take_classes(vectors, order.expand(len(tasks), -1)))


def test_no_task_and_no_assignment_is_nearer_than_the_one_it_finds() -> None:
    known, asked = drawn(), drawn(20, seed=3)
    generator, vectors = fitted(known)
    made = generator.generate(Request(conditions(asked), asked))
    centred = torch.nn.functional.normalize(ROWS - ROWS[known].mean((0, 1)), dim=-1)
    cosine = centred @ centred.T
    orders = torch.tensor(list(permutations(range(C))))
    for task, vector in zip(asked, made):
        scores = cosine[task, known[:, orders]].mean(-1)  # (tasks, orders)
        best = int(scores.flatten().argmax())
        index, order = divmod(best, len(orders))
        expected = LAYOUT.take_classes(vectors[index][None], orders[order][None])[0]
        assert torch.equal(vector, expected)


@pytest.mark.parametrize("padded", [False, True])
def test_fewer_classes_are_part_of_a_task(padded: bool) -> None:
    generator, vectors = fitted(torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]))
    asked = torch.tensor([[6, 4, -1, -1]]) if padded else torch.tensor([[6, 4]])
    made = generator.generate(Request(conditions(asked), asked))
    rows = ARCHITECTURE.layout(asked.shape[1]).unflatten(made)["6.weight"][0]
    known = LAYOUT.unflatten(vectors)["6.weight"][1]
    assert torch.equal(rows[:2], known[[2, 0]])
    assert rows[2:].eq(0).all()


def test_a_task_with_too_few_classes_is_never_retrieved() -> None:
    known = torch.tensor([[0, 1, 2, -1], [0, 5, 6, 7]])
    generator, vectors = fitted(known)
    asked = torch.tensor([[0, 1, 2, 3]])
    made = generator.generate(Request(conditions(asked), asked))
    shared = LAYOUT.slices["2.weight"]
    assert torch.equal(made[0, shared], vectors[1, shared])
    generator, _ = fitted(known[:1])
    with pytest.raises(UserError, match=r"4 classes were requested, but no ID task .* than 3"):
        generator.generate(Request(conditions(asked), asked))


def test_prompts_alone_are_enough_and_padding_is_recognised() -> None:
    tasks = torch.tensor([[0, 1, 2, 3], [4, 5, 6, -1]])
    generator, _ = fitted(tasks)
    asked = torch.tensor([[6, 5, -1, -1], [3, 1, 0, 2]])
    named = generator.generate(Request(conditions(asked), asked))
    assert torch.equal(generator.generate(Request(conditions(asked), None)), named)


def test_saved_and_loaded_it_retrieves_the_same(tmp_path: Path) -> None:
    generator, _ = fitted(drawn())
    generator.save(tmp_path)
    again = Retrieval(RetrievalOptions())
    again.setup(generator.context)
    again.load(tmp_path)
    asked = drawn(5, seed=3)
    request = Request(conditions(asked), asked)
    assert torch.equal(again.generate(request), generator.generate(request))
