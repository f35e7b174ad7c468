"""Evaluation: counts right answers of a generator's p-Models on ID and OOD tasks and controls."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from tina_kit.pipeline.controls import OF_LAYERS, divisible, gibberish, shuffled
from tina_kit.pipeline.generating import generate
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.pipeline.stages.conditions import Conditions
from tina_kit.pipeline.stages.fit import GeneratorRow
from tina_kit.pipeline.stages.zoo import ZooStage
from tina_kit.recipe.schema import EvaluationOptions
from tina_kit.report.results import GIBBERISH, SHUFFLED
from tina_kit.store import Draft
from tina_kit.zoo.evaluation import evaluate, rows_of

Tests = Mapping[str, tuple[Tensor, Tensor]]
"""By name: tasks, int64 `(T, C)`, and their conditions, float32 `(T, C, D)`."""
FILE = "evaluation.json"


class MeasuringStage(Stage):
    """Counts a generator's right answers in each of its tests: `correct` and `total` images of
    every task's classes."""

    kind = "evaluate"
    version = 4

    def __init__(
        self, runtime: Runtime, name: str, row: GeneratorRow, options: EvaluationOptions
    ) -> None:
        super().__init__(runtime, name, row.seed)
        self.row, self.options = row, options

    @property
    @abstractmethod
    def shards(self) -> Sequence[ZooStage]:
        """The p-Models of the tasks, for a control that looks at them."""

    @abstractmethod
    def tests(self) -> Tests: ...

    def also_after(self) -> Sequence[Stage]:
        """Stages that `tests` reads, besides those that the generator needs."""
        return ()

    @property
    def after(self) -> Sequence[Stage]:
        row = self.row
        after = [row.inputs.stage, row.conditions.text, *self.also_after()]
        if row.stage is not None:
            after.append(row.stage)
        if row.flags.prompts == "image":
            after.append(row.conditions.images)
        return [*after, *(self.shards if row.flags.personalises else ())]

    @property
    def form(self) -> str:
        return self.row.inputs.form

    def compute(self, draft: Draft) -> None:
        row, observer = self.row, self.runtime.observer
        generator, data = row.ready(self.shards), row.inputs.of("test")
        result = {}
        for test, (tasks, conditions) in self.tests().items():
            label = f"{self.name} {test}"
            vectors = generate(
                generator, conditions, tasks, observer, row.seed, f"{label}: generate"
            )
            for name, some in self.variations(test, vectors):
                label = f"{self.name} {name}"
                counts = evaluate(data, some, tasks, self.options.batch_size, observer, label)
                result[name] = {"correct": counts.correct.tolist(), "total": counts.total.tolist()}
        draft.save_json(FILE, result)

    def variations(self, test: str, vectors: Tensor) -> Iterator[tuple[str, Tensor]]:
        """What is counted of a test's p-Models, float32 `(T, P)`: these, and what a control makes
        of them, by the name of its test."""
        yield test, vectors

    def read(self) -> dict[str, Any]:
        """By test: `correct` and `total`, int `(T, C)` as lists."""
        counts: dict[str, Any] = self.entry.json(FILE)
        return counts


class EvaluateStage(MeasuringStage):
    """A row of the main table: OOD tasks, the first ID tasks and, for a generator that reads
    conditions, the controls.

    tasks: int64 `(T, C)` by split.
    """

    version = 5

    def __init__(
        self,
        runtime: Runtime,
        row: GeneratorRow,
        options: EvaluationOptions,
        tasks: Mapping[str, Tensor],
    ) -> None:
        super().__init__(runtime, f"evaluate/{row.name}", row, options)
        chosen = {"ood": tasks["ood"], "id": tasks["id"][: options.id_tasks]}
        if row.flags.id_only:
            del chosen["ood"]
        self.tasks = {split: drawn for split, drawn in chosen.items() if len(drawn)}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "generator": self.row.named.component.settings(),
            "tasks": {split: rows.tolist() for split, rows in self.tasks.items()},
            "seed": self.row.seed,
        }

    @property
    def shards(self) -> Sequence[ZooStage]:
        return [stage for split in self.tasks for stage in self.row.zoo.stages[split]]

    @property
    def units(self) -> int:
        """How many p-Models are evaluated, in all tests together."""
        controls = 0
        if self.row.flags.reads_conditions:
            controls = 2 + (len(OF_LAYERS) if self._divisible else 0)
        return sum(map(len, self.tasks.values())) + controls * len(self._control_tasks)

    def tests(self) -> Tests:
        tests = {split: (rows, prompts(self.row, rows)) for split, rows in self.tasks.items()}
        if self.row.flags.reads_conditions:
            tests |= controls(self.row, self._control_tasks)
        return tests

    def variations(self, test: str, vectors: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield test, vectors
        controlled = self.row.flags.reads_conditions and test == self._control_split
        if controlled and self._divisible:
            architecture = self.row.inputs.generic.architecture
            layout = architecture.layout(rows_of(architecture, vectors.shape[1]))
            shared = layout.class_of_entries() < 0
            for name, change in OF_LAYERS.items():
                yield name, change(vectors, shared, self.row.seed)

    @property
    def _divisible(self) -> bool:
        layout = self.row.inputs.generic.architecture.layout(self._control_tasks.shape[1])
        return divisible(layout, len(self._control_tasks))

    @property
    def _control_split(self) -> str:
        return "ood" if "ood" in self.tasks else "id"

    @property
    def _control_tasks(self) -> Tensor:
        return self.tasks[self._control_split]


class StudyStage(MeasuringStage):
    """A test of a study that is not in the main table.

    split: names the test; tasks: int64 `(T, C)`; conditions: what embeds the prompts at test time;
    images: how many training images of a class are its prompt, None if its name is.
    """

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        row: GeneratorRow,
        options: EvaluationOptions,
        split: str,
        tasks: Tensor,
        conditions: Conditions,
        images: int | None,
        shards: Sequence[ZooStage],
    ) -> None:
        super().__init__(runtime, name, row, options)
        self.split, self.tasks = split, tasks
        self.conditions, self.images, self._shards = conditions, images, shards

    @property
    def settings(self) -> Mapping[str, Any]:
        settings = {
            "generator": self.row.named.component.settings(),
            "tasks": self.tasks.tolist(),
            "prompts": "text" if self.images is None else "image",
            "split": self.split,
            "seed": self.row.seed,
        }
        return (
            settings if self.images in (None, 1) else settings | {"images of a class": self.images}
        )

    @property
    def shards(self) -> Sequence[ZooStage]:
        return self._shards

    @property
    def units(self) -> int:
        return len(self.tasks)

    def also_after(self) -> Sequence[Stage]:
        own = [self.conditions.text] if self.conditions is not self.row.conditions else []
        return own if self.images is None else [*own, self.conditions.images]

    def tests(self) -> Tests:
        if self.images is None:
            return {self.split: (self.tasks, self.conditions.of_tasks(self.tasks))}
        return {self.split: (self.tasks, image_prompts(self.row, self.tasks, self.images))}


def prompts(row: GeneratorRow, tasks: Tensor) -> Tensor:
    """Conditions of the kind that the generator was trained on."""
    if row.flags.prompts == "image":
        return image_prompts(row, tasks)
    return row.conditions.of_tasks(tasks)


def image_prompts(row: GeneratorRow, tasks: Tensor, count: int = 1) -> Tensor:
    """Each class's prompt is the mean of `count` of its training images."""
    labels = row.inputs.images.read("train").labels
    return row.conditions.of_images(tasks, labels, row.seed, count)


def controls(row: GeneratorRow, tasks: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Prompts that cannot help: the right ones in a random order, and meaningless ones."""
    conditions = row.conditions
    rows = conditions.image_gibberish if row.flags.prompts == "image" else conditions.gibberish
    return {
        SHUFFLED: (tasks, shuffled(prompts(row, tasks), tasks, row.seed)),
        GIBBERISH: (tasks, gibberish(rows, tasks, conditions.padding, row.seed)),
    }
