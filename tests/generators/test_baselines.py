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
TASKS = torch.tensor([[5, 0, 3], [7, 1, 2]])
INPUTS = torch.randn(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def generic() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(ARCHITECTURE.layout(CLASSES).size, generator=random)


def generated(generator: Generator, generic: torch.Tensor) -> torch.Tensor:
    generator.setup(
        Context(
            architecture=ARCHITECTURE,
            classes=3,
            class_count=CLASSES,
            width=1,
            generic=generic,
            device=torch.device("cpu"),
            train=lambda *_: None,
            personalise=lambda tasks: tasks.float().mean(1, keepdim=True),
        )
    )
    return generator.generate(Request(torch.zeros(2, 3, 1), TASKS))


def logits(vectors: torch.Tensor, classes: int) -> torch.Tensor:
    return ARCHITECTURE.forward_many(vectors, INPUTS, classes)


def test_selection_answers_among_the_tasks_classes_only(generic) -> None:
    made = generated(ClassifierSelection(ClassifierSelectionOptions()), generic)
    whole = logits(generic.expand(2, -1), CLASSES)
    expected = whole.gather(2, TASKS[:, None].expand(-1, 5, -1))
    torch.testing.assert_close(logits(made, 3), expected, atol=1e-5, rtol=1e-5)


def test_the_papers_selection_zeroes_the_other_rows(generic) -> None:
    options = ClassifierSelectionOptions(others="zero")
    made = logits(generated(ClassifierSelection(options), generic), CLASSES)
    dropped = generated(ClassifierSelection(ClassifierSelectionOptions()), generic)
    torch.testing.assert_close(made[..., :3], logits(dropped, 3), atol=1e-5, rtol=1e-5)
    assert made[..., 3:].eq(0).all()


def test_the_generic_model_may_answer_every_class_the_tasks_first(generic) -> None:
    made = logits(generated(Generic(GenericOptions()), generic), CLASSES)
    whole = logits(generic.expand(2, -1), CLASSES)
    for model, task in enumerate(TASKS.tolist()):
        order = task + [c for c in range(CLASSES) if c not in task]
        torch.testing.assert_close(made[model], whole[model][:, order], atol=1e-5, rtol=1e-5)


def test_the_oracle_is_the_fine_tuned_p_model_itself(generic) -> None:
    made = generated(Oracle(OracleOptions()), generic)
    torch.testing.assert_close(made, torch.tensor([[8 / 3], [10 / 3]]))


def test_a_baseline_says_that_it_knows_only_the_data_sets_classes(generic) -> None:
    generator = ClassifierSelection(ClassifierSelectionOptions())
    generated(generator, generic)
    with pytest.raises(UserError, match="knows only the data set's own classes"):
        generator.generate(Request(torch.zeros(1, 3, 1), None))
