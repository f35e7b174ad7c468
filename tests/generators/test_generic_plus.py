"""Selection from the generic model trained for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_generators.generic_plus import GenericPlus
from tina_generators.options_compared import GenericPlusOptions
from torch import Tensor

from tina_kit.api import Request, UserError, Zoo
from tina_kit.testing.world import CLASSES, TASK, World

TASKS = torch.tensor([[5, 0, 3, 9], [7, 1, 2, -1]])


class Learning:
    zoo_epochs = 12.5

    def __init__(self) -> None:
        self.asked: list[float] = []

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        self.asked.append(epochs)
        return start + epochs


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def fitted(world: World, epochs: float | None = None, **changes: object) -> GenericPlus:
    generator = GenericPlus(GenericPlusOptions(epochs=epochs))
    generator.setup(world.context(**{"learning": Learning(), **changes}))  # type: ignore[arg-type]
    generator.fit(Zoo(TASKS, world.conditions(TASKS)))
    return generator


def made(generator: GenericPlus, tasks: Tensor = TASKS) -> Tensor:
    return generator.generate(Request(torch.zeros(len(tasks), TASK, World.width), tasks))


@pytest.mark.parametrize(("given", "taken"), [(None, 12.5), (3, 3), (0.25, 0.25)])
def test_it_trains_for_as_many_images_as_the_zoo_unless_told(world, given, taken) -> None:
    assert fitted(world, given).context.learning.asked == [taken]


def test_p_models_are_selected_from_what_was_trained(world) -> None:
    layout = world.architecture.layout
    expected = layout(CLASSES).take_classes(world.generic[None] + 12.5, TASKS[:1])
    assert torch.equal(made(fitted(world))[:1], expected)
    absent = layout(TASK).class_of_entries() == 3
    assert made(fitted(world))[1, absent].eq(0).all()


def test_a_class_that_the_generic_model_has_not_seen_has_no_row(world) -> None:
    seen = torch.arange(1, CLASSES)
    rows = world.architecture.layout(CLASSES).take_classes(world.generic[None], seen[None])[0]
    vectors = made(fitted(world, generic=rows, generic_classes=seen))
    bias = world.architecture.layout(TASK).slices["fc.bias"]
    assert vectors[0, bias].isneginf().tolist() == [False, True, False, False]


def test_more_training_is_better_on_the_training_images(world) -> None:
    data = world.context().learning
    tasks = world.tasks(20)

    def accuracy(vectors: Tensor) -> float:
        inputs, targets = data.sample(tasks, 30, torch.Generator().manual_seed(0))
        logits = world.architecture.forward_many(vectors, inputs, TASK, world.frozen)
        return float((logits.argmax(-1) == targets).float().mean())

    few, many = (
        accuracy(made(fitted(world, epochs, learning=world.context().learning), tasks))
        for epochs in (0.1, 30)
    )
    assert many > few + 0.15


def test_prompts_that_are_no_classes_are_refused(world) -> None:
    with pytest.raises(UserError, match="only supports the data set's own classes"):
        fitted(world).generate(Request(torch.zeros(1, TASK, World.width), None))


@pytest.mark.parametrize("epochs", [0, -1])
def test_it_trains_at_all(epochs) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        GenericPlusOptions(epochs=epochs)
