"""Tina's objectives: its p-Models, their own loss, or both, as deviations from the zoo's mean or
from classifier selection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tina_generators.base import Selection
from tina_generators.options import HypernetworkOptions, TinaDiTOptions

from tina_kit.api import Request, Zoo

TASK = {"objective": "task", "base": "selection", "images": 16, "batch_size": 4}


def task_loss(world, vectors, tasks) -> float:
    """On many images, the same in every call."""
    random = torch.Generator().manual_seed(9)
    return float(world.context().learning.loss(vectors, tasks, 256, random))


def selected(world, tasks: torch.Tensor) -> torch.Tensor:
    zoo = world.zoo()
    return Selection.of_tasks(world.context(), zoo.tasks, zoo.conditions).vectors(tasks)


@pytest.mark.parametrize("kind", ["tina-dit", "hypernetwork"])
def test_its_p_models_own_loss_needs_no_p_models(world, kind) -> None:
    zoo, others = world.zoo(), world.zoo(seed=7)
    generator = world.fitted(
        kind=kind, zoo=replace(zoo, p_models=None), steps=60, learning_rate=1e-2, **TASK
    )
    made = generator.generate(Request(others.conditions, None))
    before = task_loss(world, selected(world, others.tasks), others.tasks)
    assert task_loss(world, made, others.tasks) < before - 0.05


def test_conditions_can_be_whitened(world, tmp_path: Path) -> None:
    zoo = world.zoo()
    generator = world.fitted(zoo=zoo, conditions="whitened", **TASK)
    generator.save(tmp_path)
    again = world.build(conditions="whitened", **TASK)
    again.setup(generator.context)
    again.load(tmp_path)
    request = Request(zoo.conditions, None)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_what_a_generator_learns_from_follows_from_its_objective(world) -> None:
    def learns_from(**options) -> set[str]:
        return set(world.build(**options).learns_from)

    assert learns_from() == {"p-models", "conditions"}
    assert learns_from(**TASK) == {"images", "conditions"}
    both = {**TASK, "objective": "both"}
    assert learns_from(**both) == {"p-models", "images", "conditions"}


def test_both_objectives_together_stay_near_the_p_models_and_lower_their_loss(world) -> None:
    zoo = world.zoo()
    both = {**TASK, "objective": "both", "steps": 60, "learning_rate": 1e-2}
    far = world.fitted(task_weight=100.0, **both)
    near = world.fitted(task_weight=1e-6, **both)
    request = Request(zoo.conditions, None)
    error = {
        name: float((generator.generate(request) - zoo.vectors).square().mean())
        for name, generator in {"far": far, "near": near}.items()
    }
    loss = {
        name: task_loss(world, generator.generate(request), zoo.tasks)
        for name, generator in {"far": far, "near": near}.items()
    }
    assert error["near"] < error["far"]
    assert loss["far"] < loss["near"]


def test_an_untrained_deviation_is_classifier_selection_itself(world) -> None:
    zoo = world.zoo()
    generator = world.fitted(base="selection", steps=1, learning_rate=1e-30, ema=0.0)
    generator.normalisation.mean.update(
        {name: torch.zeros_like(mean) for name, mean in generator.normalisation.mean.items()}
    )
    made = generator.generate(Request(zoo.conditions, None))
    torch.testing.assert_close(made, selected(world, zoo.tasks), atol=1e-6, rtol=1e-6)


def test_prompts_say_which_rows_a_p_model_starts_from(world, tmp_path: Path) -> None:
    zoo = world.zoo()
    base = Selection.of_tasks(world.context(), zoo.tasks, zoo.conditions)
    again = Selection.from_tensors(world.context(), base.tensors())
    rounded = zoo.conditions * (1 + 1e-4)  # as embedded in another batch
    assert torch.equal(again.recognised(rounded), zoo.tasks)
    strange = torch.full((1, 2, world.width), 9.0)
    assert again.recognised(strange).tolist() == [[-1, -1]]
    layout = world.architecture.layout(len(world.rows))
    mean = layout.take_classes_or_mean(world.generic[None], torch.tensor([[-1, -1]]))
    assert torch.equal(again.vectors(torch.tensor([[-1, -1]])), mean)


def test_a_class_that_the_generic_model_never_saw_has_no_row(world) -> None:
    zoo = world.zoo()
    seen = torch.arange(10)
    layout = world.architecture.layout(len(world.rows))
    context = world.context(
        generic_classes=seen, generic=layout.take_classes(world.generic[None], seen[None])[0]
    )
    base = Selection.of_tasks(context, zoo.tasks, zoo.conditions)
    assert base.recognised(world.rows[None]).tolist() == [[*range(10), *[-1] * 10]]
    rows = world.architecture.layout(4).class_of_entries()
    unseen = base.vectors(torch.tensor([[3, 12, 13, 4]]))[0]
    assert torch.equal(unseen[rows == 1], unseen[rows == 2])
    assert not torch.equal(unseen[rows == 0], unseen[rows == 3])


def test_dropped_classes_are_practised_from_the_mean_row(world) -> None:
    """Without its own rows, a network with class dropout does better than one without."""
    zoo = world.zoo()
    nobody = torch.full_like(zoo.tasks, -1)

    def error(**options) -> float:
        generator = world.fitted(base="selection", steps=100, batch_size=16, **options)
        generator.base.recognised = lambda conditions: nobody
        made = generator.generate(Request(zoo.conditions, None))
        return world.weights_error(generator, made, zoo.vectors)

    assert error(class_dropout=0.5) < 0.9 * error()


@pytest.mark.parametrize("objective", ["p-models", "task"])
def test_a_saved_one_gives_the_same_p_models(world, tmp_path: Path, objective: str) -> None:
    options = {**TASK, "objective": objective}
    if objective == "p-models":
        del options["images"]
    generator = world.fitted(**options)
    generator.save(tmp_path)
    again = world.build(**options)
    again.setup(world.context())
    again.load(tmp_path)
    request = Request(world.zoo().conditions, None)
    assert torch.equal(again.generate(request), generator.generate(request))


def test_few_of_the_tasks_can_be_used_without_p_models_as_well(world) -> None:
    generator = world.fitted(zoo=replace(world.zoo(), p_models=None), tasks=2, **TASK)
    few = world.zoo().tasks[:2].unique()
    assert generator.base.classes.tolist() == few.tolist()


def test_shorter_tasks_have_no_part_in_the_loss(world) -> None:
    zoo: Zoo = world.zoo(smallest=2)
    generator = world.fitted(zoo=replace(zoo, p_models=None), learning_rate=1e-2, **TASK)
    made = generator.generate(Request(zoo.conditions, zoo.tasks))
    assert task_loss(world, made, zoo.tasks) < task_loss(
        world, selected(world, zoo.tasks), zoo.tasks
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"objective": "task"}, "set base: selection"),
        ({"class_dropout": 0.1}, "class_dropout needs base: selection"),
        ({"base": "selection", "prompts": "image"}, "set prompts: text"),
        ({"images": 8}, "images"),
        ({"base": "selection", "objective": "both", "output_scale": 1.0}, "output_scale"),
    ],
)
@pytest.mark.parametrize("kind", [HypernetworkOptions, TinaDiTOptions])
def test_options_that_contradict_each_other_are_refused(kind, options, reason) -> None:
    with pytest.raises(ValidationError, match=reason):
        kind(**options)
