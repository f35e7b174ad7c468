"""How right a generator's p-Models were on the tasks that the run tested it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tina_kit.pipeline.stages.evaluate import EvaluateStage
from tina_kit.report.results import accuracies, plain
from tina_kit.report.statistics import mean_estimate


def expected(stage: EvaluateStage, class_names: Sequence[str], on: str) -> dict[str, Any] | None:
    """The p-Acc to expect of a p-Model for classes like those of the run's OOD tasks (ID tasks, if
    the generator answers no others); None if the run did not get as far as measuring it.

    Plain data: `p_acc` (percent), `ci95` (low, high; or None), `tasks`, `classes` (of the largest
    task), `split`, `on`, `average`, and `by_class`: for each class of the data set the percent of
    its images that were recognised in all those tasks, None if it is in none.

    class_names: the data set's; on: "test" or "validation".
    """
    recorded = stage.runtime.recorded
    if (stage.name, stage.seed) not in recorded or not stage.cached:
        return None
    split = "ood" if "ood" in stage.tasks else "id"
    counted, tasks = stage.read()[split], stage.tasks[split]
    mean = plain(mean_estimate([accuracies(counted, stage.options.average)]))
    correct, total = np.zeros(len(class_names)), np.zeros(len(class_names))
    there = tasks.numpy() >= 0
    for sums, key in ((correct, "correct"), (total, "total")):
        np.add.at(sums, tasks.numpy()[there], np.array(counted[key])[there])
    return {
        "p_acc": mean["mean"],
        "ci95": mean["ci95"],
        "tasks": len(tasks),
        "classes": tasks.shape[1],
        "split": split,
        "on": on,
        "average": stage.options.average,
        "by_class": {
            name: round(100 * right / of, 2) if of else None
            for name, right, of in zip(class_names, correct.tolist(), total.tolist())
        },
    }


def of_request(
    facts: dict[str, Any] | None, class_names: Sequence[str], known: Sequence[int | None]
) -> dict[str, Any] | None:
    """The same with `by_class` in the order of a request, a list with None for what is unknown.

    known: the data set's index of each requested class, None if it has no such class.
    """
    if facts is None:
        return None
    rows = facts["by_class"]
    asked = [None if index is None else rows[class_names[index]] for index in known]
    return {**facts, "by_class": asked}
