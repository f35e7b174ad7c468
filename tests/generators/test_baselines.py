"""What Tina is compared with."""

from __future__ import annotations

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_generators.baselines import ClassifierSelection, Generic, Oracle
from tina_generators.options import ClassifierSelectionOptions, GenericOptions, OracleOptions

from tina_kit.api import Context, Generator, Request, UserError

ARCHITECTURE = CNN(CNNOptions(widths=(4, 6)))
CLASSES = 8
ALL = torch.arange(CLASSES)
SEEN = torch.tensor([0, 1, 3, 5, 7])
TASKS = torch.tensor([[5, 0, 3], [7, 1, 2]])
HALF_SEEN = torch.tensor([[5, 2, 3], [6, 1, 4]])
IMAGES = torch.randn(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
INPUTS = ARCHITECTURE.arrange(IMAGES)


@pytest.fixture
def generic() -> torch.Tensor:
    """Of all classes."""
    random = torch.Generator().manual_seed(0)
    return torch.randn(ARCHITECTURE.layout(CLASSES).size, generator=random)


def generated(
    generator: Generator,
    generic: torch.Tensor,
    tasks: torch.Tensor = TASKS,
    seen: torch.Tensor = ALL,
) -> torch.Tensor:
    """seen: the classes that are left rows in the generic model."""
    rows = ARCHITECTURE.layout(CLASSES).take_classes(generic[None], seen[None])[0]
    generator.setup(
        Context(
            architecture=ARCHITECTURE,
            classes=3,
            class_count=CLASSES,
            width=1,
            padding=torch.zeros(1),
            generic=rows,
            generic_classes=seen,
            frozen={},
            device=torch.device("cpu"),
            train=lambda *_: None,
            learning=None,
            personalise=lambda tasks: tasks.float().mean(1, keepdim=True),
        )
    )
    return generator.generate(Request(torch.zeros(2, 3, 1), tasks))


def selection(others: str = "drop") -> ClassifierSelection:
    return ClassifierSelection(ClassifierSelectionOptions(others=others))


def logits(vectors: torch.Tensor, classes: int) -> torch.Tensor:
    return ARCHITECTURE.forward_many(vectors, INPUTS, classes, {})


def generic_logits(generic: torch.Tensor, order: list[list[int]]) -> torch.Tensor:
    whole = logits(generic.expand(2, -1), CLASSES)
    return torch.stack([model[:, classes] for model, classes in zip(whole, order)])


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_selection_answers_among_the_tasks_classes_only(generic) -> None:
    made = generated(selection(), generic)
    close(logits(made, 3), generic_logits(generic, TASKS.tolist()))


def test_the_papers_selection_zeroes_the_other_rows(generic) -> None:
    made = logits(generated(selection("zero"), generic), CLASSES)
    dropped = generated(selection(), generic)
    close(made[..., :3], logits(dropped, 3))
    assert made[..., 3:].eq(0).all()


def test_the_generic_model_may_answer_every_class_the_tasks_first(generic) -> None:
    made = logits(generated(Generic(GenericOptions()), generic), CLASSES)
    order = [task + [c for c in range(CLASSES) if c not in task] for task in TASKS.tolist()]
    close(made, generic_logits(generic, order))


def test_a_class_without_a_row_has_a_logit_of_minus_infinity(generic) -> None:
    made = logits(generated(selection(), generic, HALF_SEEN, SEEN), 3)
    expected = generic_logits(generic, HALF_SEEN.tolist())
    expected[0, :, 1] = expected[1, :, 0] = expected[1, :, 2] = -torch.inf
    close(made, expected)


def test_the_generic_model_answers_with_the_rows_it_has(generic) -> None:
    made = logits(generated(Generic(GenericOptions()), generic, HALF_SEEN, SEEN), 7)
    # The first task leaves three other classes, the second four.
    expected = generic_logits(generic, [[5, 2, 3, 0, 1, 7, 0], [6, 1, 4, 0, 3, 5, 7]])
    expected[0, :, [1, 6]] = expected[1, :, [0, 2]] = -torch.inf
    close(made, expected)


def test_zeroed_rows_are_never_those_of_the_tasks_own_classes(generic) -> None:
    made = logits(generated(selection("zero"), generic, HALF_SEEN, SEEN), 7)
    close(made[..., :3], logits(generated(selection(), generic, HALF_SEEN, SEEN), 3))
    assert made[0, :, 3:6].eq(0).all()
    assert made[0, :, 6].eq(-torch.inf).all()
    assert made[1, :, 3:].eq(0).all()


def test_a_shorter_task_has_zero_rows_for_the_classes_it_lacks(generic) -> None:
    tasks = torch.tensor([[5, 0, -1], [7, -1, -1]])
    made = logits(generated(selection(), generic, tasks), 3)
    close(made[0, :, :2], generic_logits(generic, [[5, 0], [7, 7]])[0])
    assert made[0, :, 2].eq(0).all()
    assert made[1, :, 1:].eq(0).all()


def test_the_oracle_is_the_fine_tuned_p_model_itself(generic) -> None:
    made = generated(Oracle(OracleOptions()), generic)
    torch.testing.assert_close(made, torch.tensor([[8 / 3], [10 / 3]]))


def test_a_baseline_says_that_it_knows_only_the_data_sets_classes(generic) -> None:
    generator = selection()
    generated(generator, generic)
    with pytest.raises(UserError, match="only supports the data set's own classes"):
        generator.generate(Request(torch.zeros(1, 3, 1), None))
