"""The last stage of each generator: p-Acc on ID and OOD tasks, and the controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.generate import generate
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import NamedPart
from tina_kit.report.results import GIBBERISH, SHUFFLED
from tina_kit.store import Draft
from tina_kit.training import generator_for
from tina_kit.zoo.evaluation import evaluate

Tests = Mapping[str, tuple[Tensor, Tensor]]
"""By name: tasks, int64 `(T, C)`, and their conditions, float32 `(T, C, D)`."""
RESULT = "evaluation.json"


def evaluation_stage(experiment: Experiment, named: NamedPart) -> Stage:
    """For each test, `correct` and `total` images of every task's classes."""
    generator = named.part.build()
    limit = experiment.recipe.core.evaluation.id_tasks
    tasks = {"ood": experiment.tasks["ood"], "id": experiment.tasks["id"][:limit]}
    if generator.id_only:
        del tasks["ood"]
    tasks = {split: drawn for split, drawn in tasks.items() if len(drawn)}
    shards = {split: experiment.zoo_stages[split] for split in tasks}
    settings = {
        "generator": named.part.settings(),
        "tasks": {split: rows.tolist() for split, rows in tasks.items()},
        "seed": experiment.seed,
    }

    def tests() -> Tests:
        drawn = {
            split: (rows, _prompts(experiment, generator, rows)) for split, rows in tasks.items()
        }
        if generator.reads_conditions:
            drawn |= _controls(experiment, generator, tasks["ood" if "ood" in tasks else "id"])
        return drawn

    return measuring_stage(experiment, named, f"evaluate/{named.name}", settings, tests, shards)


def measuring_stage(
    experiment: Experiment,
    named: NamedPart,
    name: str,
    settings: Mapping[str, Any],
    tests: Callable[[], Tests],
    shards: dict[str, tuple[Stage, ...]],
    *more: Stage,
) -> Stage:
    """Count a generator's right answers in each test.

    shards: the p-Models of the tasks, for a control that looks at them; more: stages that `tests`
    reads.
    """
    generator = named.part.build()
    after = [experiment.features_stage, experiment.conditions.text_stage, *more]
    if generator.learns:
        after.append(experiment.fit_stage(named))
    if generator.prompts == "image":
        after.append(experiment.conditions.image_stage)
    if generator.personalises:
        after += [stage for stages in shards.values() for stage in stages]

    def compute(draft: Draft) -> None:
        ready = experiment.fitted(named, shards)
        inputs, labels = experiment.inputs("test"), experiment.images("test").labels
        result = {}
        for test, (tasks, conditions) in tests().items():
            counts = evaluate(
                experiment.architecture,
                generate(experiment, ready, conditions, tasks, f"{name} {test}: generate"),
                tasks,
                inputs,
                labels,
                len(experiment.class_names),
                experiment.recipe.core.evaluation.batch_size,
                experiment.device,
                experiment.frozen,
                experiment.progress,
                f"{name} {test}",
            )
            result[test] = {"correct": counts.correct.tolist(), "total": counts.total.tolist()}
        draft.save_json(RESULT, result)

    return Stage("evaluate", name, settings, compute, tuple(after), experiment.seed, version=3)


def _prompts(experiment: Experiment, generator: Any, tasks: Tensor) -> Tensor:
    """Conditions of the kind that the generator was trained on."""
    if generator.prompts == "image":
        return image_prompts(experiment, tasks)
    return experiment.conditions.of_tasks(tasks)


def image_prompts(experiment: Experiment, tasks: Tensor, count: int = 1) -> Tensor:
    """The mean of so many training images of each class."""
    labels = experiment.images("train").labels
    return experiment.conditions.of_images(tasks, labels, experiment.seed, count)


def _controls(experiment: Experiment, generator: Any, tasks: Tensor) -> Tests:
    conditions = experiment.conditions
    rows = conditions.image_gibberish if generator.prompts == "image" else conditions.gibberish
    prompts = _prompts(experiment, generator, tasks)
    return {
        SHUFFLED: (tasks, shuffled(prompts, tasks, experiment.seed)),
        GIBBERISH: (tasks, gibberish(rows, tasks, conditions.padding, experiment.seed)),
    }


def shuffled(conditions: Tensor, tasks: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: the right prompts in a random order, so that the expected p-Acc is chance.
    Absent classes stay where they are."""
    random = generator_for(seed, SHUFFLED)
    # The last places are the absent classes', which draw a number above all others.
    draw = torch.rand(tasks.shape, generator=random) + (tasks < 0) * 2
    return conditions.gather(1, draw.argsort(1)[..., None].expand_as(conditions))


def gibberish(rows: Tensor, tasks: Tensor, padding: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: prompts that mean nothing, no two alike in a task while there are enough."""
    random = generator_for(seed, GIBBERISH)
    order = torch.rand(len(tasks), len(rows), generator=random).argsort(1)
    drawn = rows[order[:, torch.arange(tasks.shape[1]) % len(rows)]]
    return torch.where(tasks[..., None] < 0, padding, drawn)
