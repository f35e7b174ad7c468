"""Evaluation of several p-Models that a generator samples for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.stages.evaluate import FILE, StudyStage
from tina_kit.store import Draft
from tina_kit.zoo.samples import evaluate_samples, losses_of_samples

Way = tuple[int, int]
"""How many p-Models, and how many labelled training images of each class choose one of them; 0
averages their probabilities."""


def name_of(way: Way) -> str:
    """The name of its test."""
    samples, shots = way
    return f"best of {samples} by {shots}" if shots else f"mean of {samples}"


class SamplesStage(StudyStage):
    """All ways to use several p-Models of a study's tasks. They share the p-Models, of which a way
    takes the first ones.

    ways: in order; the other arguments are those of `StudyStage`.
    """

    def __init__(self, *given: Any, ways: Sequence[Way], **named: Any) -> None:
        super().__init__(*given, **named)
        self.ways = ways

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, "samples": [list(way) for way in self.ways]}

    @property
    def units(self) -> int:
        return len(self.tasks) * self._samples

    @property
    def _samples(self) -> int:
        return max(samples for samples, _ in self.ways)

    def compute(self, draft: Draft) -> None:
        row, size = self.row, self.options.batch_size
        generator, [(tasks, conditions)] = row.ready(self.shards), self.tests().values()
        made = [
            generate(
                generator,
                conditions,
                tasks,
                self.runtime.observer,
                row.seed,
                f"{self.name}: generate {sample + 1}/{self._samples}",
                sample,
            )
            for sample in range(self._samples)
        ]
        vectors = torch.stack(made)
        data, train = row.inputs.of("test"), row.inputs.of("train")
        means = sorted({samples for samples, shots in self.ways if not shots})
        answers = evaluate_samples(
            data, vectors, tasks, means, size, self.runtime.observer, self.name
        )
        losses = {
            shots: losses_of_samples(train, vectors, tasks, shots, row.seed)
            for shots in sorted({shots for _, shots in self.ways if shots})
        }
        result = {}
        for samples, shots in self.ways:
            right = answers.best(losses[shots], samples) if shots else answers.mean[samples]
            counts = {"correct": right.tolist(), "total": answers.total.tolist()}
            result[name_of((samples, shots))] = counts
        draft.save_json(FILE, result)
