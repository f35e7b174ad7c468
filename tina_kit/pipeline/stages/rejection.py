"""Rejection: the threshold below which p-Models of a generator answer "none of these"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tina_kit.api import ByClass, Split, UserError
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.evaluate import prompts
from tina_kit.pipeline.stages.fit import GeneratorRow
from tina_kit.recipe.schema import EvaluationOptions
from tina_kit.store import Draft
from tina_kit.training import counting, derived_seed
from tina_kit.zoo.batches import without_absent
from tina_kit.zoo.evaluation import rows_of
from tina_kit.zoo.rejection import Rejection, score

TASKS = 50  # of each split; more only cost time
SMALLER = (2, 3, 5)  # numbers of classes, besides those of the tasks
IMAGES = 50  # of a class at most, so that common classes do not decide
_FILE = "rejection.json"
Array = NDArray[np.float64]


class RejectionStage(Stage):
    """tasks: int64 `(T, C)`, the ID tasks on whose training images the threshold is set, and under
    "measured" those on whose test images its errors are counted."""

    kind = "rejection"

    def __init__(
        self,
        runtime: Runtime,
        row: GeneratorRow,
        options: EvaluationOptions,
        tasks: Mapping[str, Tensor],
    ) -> None:
        super().__init__(runtime, f"rejection/{row.name}", row.seed)
        self.row, self.options = row, options
        self.split: Literal["id", "ood"] = "ood" if len(tasks["ood"]) else "id"
        self.tasks = {"set": tasks["id"][:TASKS], "measured": tasks[self.split][:TASKS]}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "generator": self.row.named.component.settings(),
            "rejection": self.options.rejection,
            "tasks": {name: rows.tolist() for name, rows in self.tasks.items()},
            "seed": self.row.seed,
        }

    @property
    def after(self) -> Sequence[Stage]:
        row = self.row
        after: list[Stage] = [row.inputs.stage, row.conditions.text]
        if row.stage is not None:
            after.append(row.stage)
        if row.flags.prompts == "image":
            after.append(row.conditions.images)
        return after

    @property
    def units(self) -> int:
        return len(self.sizes) * sum(map(len, self.tasks.values()))

    def compute(self, draft: Draft) -> None:
        measured = [self._measured(classes) for classes in self.sizes]
        draft.save_json(_FILE, [each.model_dump() for each in measured])

    def read(self) -> list[Rejection]:
        """With increasing numbers of classes."""
        return [Rejection.model_validate(each) for each in self.entry.json(_FILE)]

    @property
    def sizes(self) -> list[int]:
        """The numbers of classes for which it is measured, since more classes have a larger
        largest logit: those of the tasks and some smaller ones."""
        largest = min(rows.shape[1] for rows in self.tasks.values())
        return [*(few for few in SMALLER if few < largest), largest]

    def _measured(self, classes: int) -> Rejection:
        target = self.options.rejection
        assert target is not None
        own = [some for some, _ in self._scores("set", "train", classes)]
        threshold = _percentile(own, target)
        rejected, accepted = [], []
        for some, foreign in self._scores("measured", "test", classes):
            rejected.append(100 * float((some < threshold).mean()))
            accepted.append(100 * float((foreign >= threshold).mean()))
        return Rejection(
            classes=classes,
            score="largest logit",
            threshold=threshold,
            target=target,
            tasks=len(self.tasks["set"]),
            own_rejected=round(float(np.mean(rejected)), 2),
            foreign_accepted=round(float(np.mean(accepted)), 2),
            on=self.options.on,
            measured=len(self.tasks["measured"]),
            split=self.split,
        )

    def _scores(self, name: str, split: Split, classes: int) -> Iterator[tuple[Array, Array]]:
        """For the first classes of each task, the scores of their images and of as many of all
        other classes."""
        row, observer = self.row, self.runtime.observer
        tasks = self.tasks[name][:, :classes]
        generator, data = row.ready(), row.inputs.of(split)
        label = f"{self.name} {split} {classes}"
        vectors = generate(
            generator, prompts(row, tasks), tasks, observer, row.seed, f"{label}: generate"
        )
        rows = rows_of(data.architecture, vectors.shape[1])
        pools = _pools(data.labels, data.class_count, derived_seed(row.seed, "rejection", split))
        vectors = vectors.to(data.device)
        with torch.inference_mode(), counting(observer, label, len(tasks)) as advance:
            for task, vector in zip(tasks, vectors):
                found = []
                for index in _own_and_foreign(pools, task[task >= 0].tolist()):
                    batches = index[None].split(self.options.batch_size, dim=1)
                    logits = [data.forward_many(vector[None], b, rows) for b in batches]
                    there = without_absent(torch.cat(logits, dim=1).float(), task[None])
                    found.append(score(there[0]).double().cpu().numpy())
                yield found[0], found[1]
                advance(1)


def _pools(labels: Tensor, classes: int, seed: int) -> list[Tensor]:
    """The images of each class, int64 `(n,)`, in random order."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return list(ByClass(labels, classes, order).pools)


def _own_and_foreign(pools: Sequence[Tensor], task: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Images of a task's classes, and about as many of the others, as evenly as there are any."""
    own = torch.cat([pools[place][:IMAGES] for place in task])
    others = [pool for place, pool in enumerate(pools) if place not in set(task)]
    if not others:
        raise UserError(
            "evaluation.rejection: a task has all classes of the data set, so that there are no "
            "images of other classes; leave it out, or draw smaller tasks"
        )
    of_each = -(-len(own) // len(others))
    return own, torch.cat([pool[:of_each] for pool in others])


def _percentile(scores: Sequence[Array], percent: float) -> float:
    """The score that so many percent of the images miss, in which each task counts the same."""
    values = np.concatenate(scores)
    weights = np.concatenate([np.full(len(some), 1 / len(some)) for some in scores])
    order = values.argsort(kind="stable")
    share = 100 * weights[order].cumsum() / weights.sum()
    return float(values[order][min(int(np.searchsorted(share, percent, "right")), len(values) - 1)])
