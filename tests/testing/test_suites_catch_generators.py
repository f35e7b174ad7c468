"""The suite of generators lets right ones pass and catches wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tina_kit.api import Generator, Request, Step, Training, UserError, Zoo
from tina_kit.testing import GeneratorSuite

NUMBERS = count()


class Linear(Generator):
    """A linear map from a task's prompts to its parameter vector."""

    noise = 0.0

    def __init__(self, **_: object) -> None:
        pass

    def build(self) -> None:
        context = self.context
        size = context.architecture.layout(context.classes).size
        self.module = nn.Linear(context.classes * context.width, size)

    def fit(self, zoo: Zoo) -> None:
        self.build()
        device = self.context.device

        def loss(step: Step, module: nn.Module) -> Tensor:
            pick = step.share(torch.randint(len(zoo.tasks), (8,), generator=step.random))
            made = module(zoo.conditions[pick].flatten(1).to(device))
            return (made - zoo.vectors[pick].to(device)).square().mean()

        self.context.train(self.module, loss, Training(6, 0.01))

    def generate(self, request: Request) -> Tensor:
        classes = self.context.classes
        conditions = request.conditions[:, :classes]
        missing = classes - conditions.shape[1]
        padding = self.context.padding.expand(len(conditions), missing, -1)
        whole = torch.cat([conditions, padding], dim=1).flatten(1)
        random = torch.Generator().manual_seed(request.seed)
        with torch.no_grad():
            made = self.module.cpu()(whole)
        made = made + self.noise * torch.randn(made.shape[1], generator=random)
        layout = self.context.architecture.layout(classes)
        rows = torch.arange(request.conditions.shape[1]).clamp(max=classes - 1)
        return layout.take_classes(made, rows.expand(len(made), -1))

    def save(self, folder: Path) -> None:
        save_file(self.module.state_dict(), folder / "linear.safetensors")

    def load(self, folder: Path) -> None:
        self.build()
        self.module.load_state_dict(load_file(folder / "linear.safetensors"))


class Noisy(Linear):
    noise = 0.1


class Looking(Generator):
    """A control."""

    learns_from: frozenset[str] = frozenset()
    reads_conditions, personalises = False, True

    def generate(self, request: Request) -> Tensor:
        if request.tasks is None:
            raise UserError("a control knows only the classes of the data set")
        return self.context.personalise(request.tasks)


def made(change: Callable[..., Tensor], base: type[Generator] = Linear, **flags: Any) -> type:
    """change: (generator, what it made, request) → what it makes instead."""

    class Made(base):  # type: ignore[misc, valid-type]
        def generate(self, request: Request) -> Tensor:
            return change(self, super().generate(request), request)

    for name, value in flags.items():
        setattr(Made, name, value)
    return Made


def fitted(change: Callable[[Generator, Zoo], Any]) -> type:
    """change: what is done before the fit."""

    class Fitted(Linear):
        def fit(self, zoo: Zoo) -> None:
            super().fit(change(self, zoo) or zoo)

    return Fitted


def peeping(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    if request.tasks is not None:
        generator.context.personalise(request.tasks)
    return vectors


def training(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    generator.context.train(nn.Linear(1, 1), lambda step: torch.zeros(()), Training(1, 1e-3))
    return vectors


def studying(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    generator.context.learning.sample(request.tasks, 2, torch.Generator())
    return vectors


def overwriting(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    request.conditions.zero_()
    return vectors


def disturbing(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    random.random()
    return vectors


def failing(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    if request.tasks is None or request.tasks.shape[1] != generator.context.classes:
        raise IndexError("4")
    return vectors


def nothing(generator: Generator, vectors: Tensor, request: Request) -> Tensor:
    return vectors[:, :3]


def normalised(generator: Generator, zoo: Zoo) -> None:
    zoo.vectors.mul_(0.5)


class Pickling(Linear):
    def save(self, folder: Path) -> None:
        torch.save(self.module.state_dict(), folder / "linear.pt")


class Forgetful(Linear):
    def load(self, folder: Path) -> None:
        self.build()
        nn.init.zeros_(self.module.weight)


class Stubborn(Linear):
    """Its loss calls its own module, which may not be the one that is trained."""

    def fit(self, zoo: Zoo) -> None:
        self.build()

        def loss(step: Step, module: nn.Module) -> Tensor:
            return (self.module(zoo.conditions.flatten(1)) - zoo.vectors).square().mean()

        self.context.train(self.module, loss, Training(6, 0.01))


class Counting(Linear):
    """Batches come from a counter of its own, which a killed run starts anew."""

    def fit(self, zoo: Zoo) -> None:
        self.build()
        numbers = count()

        def loss(step: Step, module: nn.Module) -> Tensor:
            pick = torch.arange(4) + 4 * next(numbers)
            wrong = module(zoo.conditions[pick].flatten(1)) - zoo.vectors[pick]
            return wrong.square().mean()

        self.context.train(self.module, loss, Training(6, 0.01))


class Summing(Linear):
    """Its loss is a sum over its share, which the training loop takes for a mean."""

    def fit(self, zoo: Zoo) -> None:
        self.build()

        def loss(step: Step, module: nn.Module) -> Tensor:
            pick = step.share(torch.randint(len(zoo.tasks), (8,), generator=step.random))
            wrong = module(zoo.conditions[pick].flatten(1)) - zoo.vectors[pick]
            return wrong.square().sum()

        self.context.train(self.module, loss, Training(6, 0.01))


class Early(Linear):
    """Initial weights are drawn before the core has seeded anything."""

    def setup(self, context: Any) -> None:
        super().setup(context)
        Linear.build(self)

    def build(self) -> None:
        pass


CASES: list[tuple[str, Any, str]] = [
    ("test_flags_are_plain", made(nothing, id_only="yes"), "id_only is 'yes'; it must be True or"),
    (
        "test_flags_are_plain",
        made(nothing, learns_from={"text"}),
        "learns_from is {'text'}; it may hold conditions, images, p-models",
    ),
    (
        "test_the_loss_calls_the_module_that_it_is_given",
        Stubborn,
        "the loss does not call the module that the training loop gives it",
    ),
    (
        "test_the_losses_of_shares_make_that_of_the_batch",
        Summing,
        "weighted by their shares, is not the loss of the batch",
    ),
    ("test_flags_are_plain", made(nothing, prompts="smell"), "must be 'text' or 'image'"),
    (
        "test_reads_conditions_says_whether_prompts_matter",
        made(lambda _, vectors, request: torch.zeros_like(vectors)),
        "reads_conditions is True but other prompts for the same classes give the same",
    ),
    (
        "test_reads_conditions_says_whether_prompts_matter",
        made(lambda _, vectors, request: vectors, reads_conditions=False),
        "reads_conditions is False but .* other p-Models",
    ),
    (
        "test_only_a_control_looks_at_p_models",
        made(peeping),
        "personalises is False but it calls context.personalise",
    ),
    ("test_a_task_gets_a_parameter_vector", made(nothing), "vectors of 3 entries; layouts of 4"),
    (
        "test_a_task_gets_a_parameter_vector",
        made(lambda _, vectors, request: vectors.double()),
        "torch.float64 .* says torch.float32",
    ),
    ("test_a_task_gets_a_parameter_vector", made(training), "context.train is for `fit` alone"),
    ("test_a_task_gets_a_parameter_vector", made(studying), "context.learning is for `fit` alone"),
    (
        "test_vectors_hold_numbers",
        made(lambda _, vectors, request: vectors / 0),
        r"holds nan or \+inf",
    ),
    (
        "test_the_same_request_gives_the_same",
        made(lambda _, vectors, request: vectors + next(NUMBERS)),
        "the same request gives other p-Models",
    ),
    ("test_another_seed_gives_others", Linear, "two seeds give the same p-Models"),
    (
        "test_a_p_model_does_not_depend_on_the_others",
        made(lambda _, vectors, request: vectors - vectors.mean(0)),
        "is another when it is asked for alone",
    ),
    (
        "test_other_numbers_of_classes_are_made_or_told",
        made(failing),
        "tasks of 3 classes .* raises IndexError .*must raise UserError",
    ),
    (
        "test_prompts_of_no_known_class_are_made_or_told",
        made(failing),
        "tasks is None.* raises IndexError .*must raise UserError",
    ),
    ("test_a_request_stays_as_it_is", made(overwriting), "generate changes conditions in place"),
    (
        "test_generating_leaves_global_randomness_alone",
        made(disturbing),
        "generate moves the global random state of Python's random",
    ),
    ("test_a_zoo_stays_as_it_is", fitted(normalised), "fit changes vectors in place"),
    ("test_what_it_saves_is_read_without_running_code", Pickling, "linear.pt .*may run code"),
    (
        "test_a_loaded_generator_generates_as_the_fitted_one",
        Forgetful,
        "load is save's inverse",
    ),
    ("test_a_fit_that_was_killed_ends_the_same", Counting, "killed and started again ends with"),
    ("test_a_fit_that_was_killed_ends_the_same", Early, "killed and started again ends with"),
    (
        "test_an_accelerator_gives_the_same_p_models",
        made(lambda self, vectors, request: vectors.to(self.context.device)),
        "p-Models made on meta lie on meta",
    ),
]


class TestARightGenerator(GeneratorSuite):
    def component(self, **_: object) -> Generator:
        return Linear()


class TestARightGeneratorWithNoise(GeneratorSuite):
    draws_noise = True

    def component(self, **_: object) -> Generator:
        return Noisy()


class TestARightControl(GeneratorSuite):
    def component(self, **_: object) -> Generator:
        return Looking()


@pytest.mark.parametrize(("check", "wrong", "message"), CASES)
def test_a_wrong_generator_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    told = {"draws_noise": True, "accelerator": lambda _: torch.device("meta")}
    caught(GeneratorSuite, check, wrong, message, **told)


def test_every_check_of_generators_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(GeneratorSuite) == {check for check, *_ in CASES}
