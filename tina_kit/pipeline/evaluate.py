"""The last stage of each generator: p-Acc on ID and OOD tasks, and the controls."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import NamedPart
from tina_kit.report.results import GIBBERISH, SHUFFLED
from tina_kit.store import Draft
from tina_kit.training import generator_for
from tina_kit.zoo.evaluation import evaluate


def evaluation_stage(experiment: Experiment, named: NamedPart) -> Stage:
    """For each test, `correct` and `total` images of every task."""
    generator = named.part.build()
    if generator.learns:
        after = [experiment.fit_stage(named)]
    else:
        zoo = experiment.zoo_stages
        after = [experiment.conditions_stage, *zoo["id"], *zoo["ood"]]
    evaluation = experiment.recipe.core.evaluation
    tasks = {
        "ood": experiment.tasks["ood"],
        "id": experiment.tasks["id"][: evaluation.id_tasks],
    }
    settings = {
        "generator": named.part.settings(),
        "tasks": {split: rows.tolist() for split, rows in tasks.items()},
        "seed": experiment.seed,
    }

    def compute(draft: Draft) -> None:
        draft.save_json("evaluation.json", _measure(experiment, named, tasks))

    return Stage("evaluate", f"evaluate/{named.name}", settings, compute, tuple(after))


def _measure(experiment: Experiment, named: NamedPart, tasks: dict[str, Tensor]) -> dict[str, Any]:
    generator = experiment.fitted(named)
    rows = experiment.condition_rows
    tests = {split: (drawn, rows[drawn]) for split, drawn in tasks.items() if len(drawn)}
    if generator.reads_conditions:
        ood = tasks["ood"]
        tests[SHUFFLED] = (ood, shuffled(rows[ood], experiment.seed))
        tests[GIBBERISH] = (ood, gibberish(experiment.gibberish_rows, ood, experiment.seed))
    inputs, labels = experiment.inputs("test"), experiment.images("test").labels
    result = {}
    for test, (drawn, conditions) in tests.items():
        counts = evaluate(
            experiment.architecture,
            experiment.generate(generator, conditions, drawn),
            drawn,
            inputs,
            labels,
            len(experiment.class_names),
            experiment.recipe.core.evaluation.batch_size,
            experiment.device,
            experiment.progress,
            f"evaluate/{named.name} {test}",
        )
        result[test] = {"correct": counts.correct.tolist(), "total": counts.total.tolist()}
    return result


def shuffled(conditions: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: the right prompts in a random order, so that the expected p-Acc is chance."""
    random = generator_for(seed, SHUFFLED)
    order = torch.rand(conditions.shape[:2], generator=random).argsort(1)
    return conditions.gather(1, order[..., None].expand_as(conditions))


def gibberish(rows: Tensor, tasks: Tensor, seed: int) -> Tensor:
    """`(T, C, D)`: prompts that mean nothing, no two alike in a task while there are enough."""
    random = generator_for(seed, GIBBERISH)
    order = torch.rand(len(tasks), len(rows), generator=random).argsort(1)
    return rows[order[:, torch.arange(tasks.shape[1]) % len(rows)]]
