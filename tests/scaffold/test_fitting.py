"""The settings of a new recipe exist for the classes and images at hand."""

from __future__ import annotations

from math import ceil, comb

import pytest

from tina_kit.api import Classes, UserError
from tina_kit.plugins import discover
from tina_kit.recipe.resolve import resolve_plain
from tina_kit.scaffold.findings import Findings
from tina_kit.scaffold.fitting import fitted, tasks_of


def findings(classes: int, train: int = 40, test: int = 10) -> Findings:
    names = [f"class {index}" for index in range(classes)]
    return Findings(names, [train] * classes, [test] * classes, (32, 32), None)


@pytest.mark.parametrize("classes", [*range(4, 24), 37, 101])
def test_the_tasks_can_be_drawn(classes: int) -> None:
    size, id_tasks, ood_tasks = tasks_of(classes)
    wanted = {"use": "balanced-permutations", "classes": size, "id": id_tasks, "ood": ood_tasks}
    sampler = resolve_plain(wanted, "task-sampler", "a test", discover()).build()
    drawn = sampler.draw(Classes([f"class {index}" for index in range(classes)]), 0)
    assert (len(drawn["id"]), len(drawn["ood"])) == (id_tasks, ood_tasks)
    assert size < classes and 3 * ood_tasks <= 2 * id_tasks


@pytest.mark.parametrize(("classes", "tasks"), [(12, (6, 370, 90)), (100, (10, 400, 100))])
def test_there_are_as_many_as_a_generator_can_use(classes: int, tasks: tuple[int, ...]) -> None:
    assert tasks_of(classes) == tasks
    assert sum(tasks[1:]) <= comb(classes, tasks[0]) // 2


@pytest.mark.parametrize("classes", [2, 3])
def test_too_few_classes_are_refused(classes: int) -> None:
    with pytest.raises(UserError, match=f"{classes} classes are too few.* At least 4"):
        tasks_of(classes)


@pytest.mark.parametrize("images", [2, 40, 600, 20_000])
@pytest.mark.parametrize("classes", [4, 12, 100])
def test_trainings_are_long_enough_and_end_in_minutes(classes: int, images: int) -> None:
    recipe = fitted(findings(classes, images), "hashed-ngrams")
    generic, tuning, tasks = recipe["generic"], recipe["finetune"], recipe["tasks"]
    passes = generic["epochs"] * classes * images
    assert generic["epochs"] == 100 or passes >= 0.9 * 2000 * 64
    assert generic["epochs"] == 10 or passes <= 1.1 * 2000 * 64
    steps = tuning["epochs"] * ceil(images * tasks["classes"] / tuning["batch_size"])
    assert tuning["epochs"] == 20 or steps >= 60
    assert tuning["epochs"] == 1 or steps <= 180


def test_classes_of_uneven_size_count_the_same() -> None:
    even = findings(8)
    assert "average" not in fitted(even, "hashed-ngrams")["evaluation"]
    uneven = Findings(even.classes, even.train, [10] * 7 + [31], (32, 32), None)
    assert fitted(uneven, "hashed-ngrams")["evaluation"]["average"] == "classes"


def test_validation_is_offered_where_images_can_be_held_out() -> None:
    assert "validation" in fitted(findings(8, 5), "hashed-ngrams")["profiles"]
    assert "validation" not in fitted(findings(8, 4), "hashed-ngrams")["profiles"]
