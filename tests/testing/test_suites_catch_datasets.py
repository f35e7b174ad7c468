"""The suites of data sets and task samplers let right parts pass and catch wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import Classes, Dataset, Images, Split, TaskOptions, TaskSampler, UserError
from tina_kit.testing import DatasetSuite, TaskSamplerSuite


class Right(Dataset):
    """Three classes of six training and three test images."""

    class_names = ("ash", "beech", "cedar")

    def load(self, split: Split) -> Images:
        count = 6 if split == "train" else 3
        generator = torch.Generator().manual_seed(count)
        images = torch.randint(256, (3 * count, 3, 8, 8), generator=generator).byte()
        return Images(images, torch.arange(3).repeat(count))


def changed(
    images: Callable[[Tensor], Tensor] = lambda x: x,
    labels: Callable[[Tensor], Tensor] = lambda x: x,
) -> type[Dataset]:
    class Changed(Right):
        def load(self, split: Split) -> Images:
            right = super().load(split)
            return Images(images(right.images), labels(right.labels))

    return Changed


class Twins(Right):
    class_names = ("ash tree", "beech", "Ash_tree")


class HalfOfTheSuperclasses(Right):
    superclasses = (0, 1)


class Leaking(Right):
    def load(self, split: Split) -> Images:
        return super().load("train")


class Unseeded(Right):
    def load(self, split: Split) -> Images:
        count = 6 if split == "train" else 3
        return Images(
            torch.randint(256, (3 * count, 3, 8, 8)).byte(), torch.arange(3).repeat(count)
        )


class Larger(Right):
    """Its files hold images of 16×16, in the order that `places` makes of it."""

    larger_than = 8

    def places(self, index: Tensor) -> Tensor:
        return index

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        images = self.load("train").images[self.places(index)].float()
        return F.interpolate(images, side, mode="nearest").byte()


class Shifted(Larger):
    def places(self, index: Tensor) -> Tensor:
        return index.flip(0)


class Misnamed(Larger):
    larger_than = 16


DATASETS = {
    "test_class_names_are_distinct_texts": (Twins, "two classes of one name"),
    "test_superclasses_are_one_for_each_class": (HalfOfTheSuperclasses, "2 entries for 3 classes"),
    "test_images_are_bytes_and_labels_whole_numbers": (
        changed(images=torch.Tensor.float),
        r"train images is torch.float32 .* says torch.uint8",
    ),
    "test_labels_are_indices_of_classes": (changed(labels=lambda x: x + 1), "go from 1 to 3"),
    "test_every_class_has_images_in_both_splits": (
        changed(labels=lambda x: x.clamp(max=1)),
        "no image of cedar",
    ),
    "test_images_differ_within_a_split": (changed(images=torch.zeros_like), "are the same"),
    "test_test_images_are_not_training_images": (Leaking, "is a training image too"),
    "test_loading_again_gives_the_same": (Unseeded, "other images.*must give the same data"),
    "test_larger_images_are_the_same_ones": (Shifted, "other images than load"),
    "test_loading_leaves_global_randomness_alone": (Unseeded, "load moves .* state of torch"),
}


class TestARightDataset(DatasetSuite):
    def component(self, **_: object) -> Dataset:
        return Right()


class TestADatasetOfLargerFiles(DatasetSuite):
    def component(self, **_: object) -> Dataset:
        return Larger()


def test_a_wrong_side_of_larger_images_is_caught(caught: Callable[..., None]) -> None:
    caught(DatasetSuite, "test_larger_images_are_the_same_ones", Misnamed, "larger_than is 16")


@pytest.mark.parametrize("check", DATASETS)
def test_a_wrong_dataset_is_caught(check: str, caught: Callable[..., None]) -> None:
    caught(DatasetSuite, check, *DATASETS[check])


def test_every_check_of_datasets_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(DatasetSuite) == set(DATASETS)


class Fair(TaskSampler):
    """Windows of permutations, all of one size or of all sizes by turns."""

    def __init__(self, **changes: int) -> None:
        self.options = TaskOptions(**{"classes": 4, "id": 12, "ood": 5, **changes})

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        options, count = self.options, len(classes.names)
        if options.classes > count:
            raise UserError(f"tasks of {options.classes} classes need more than {count} classes")
        taken: set[frozenset[int]] = set()
        drawn = {}
        for stream, (split, number) in enumerate((("ood", options.ood), ("id", options.id))):
            generator = torch.Generator().manual_seed(2 * seed + stream)
            drawn[split] = self.rows(number, count, generator, taken)
        return drawn

    def rows(
        self, number: int, count: int, generator: torch.Generator, taken: set[frozenset[int]]
    ) -> Tensor:
        largest, smallest = self.options.classes, self.options.smallest or self.options.classes
        rows: list[list[int]] = []
        while len(rows) < number:
            order = torch.randperm(count, generator=generator).tolist()
            for start in range(0, count - largest + 1, largest):
                size = smallest + len(rows) % (largest - smallest + 1)
                row = order[start : start + size]
                if frozenset(row) not in taken and len(rows) < number:
                    taken.add(frozenset(row))
                    rows.append(row + [-1] * (largest - size))
        return torch.tensor(rows)


def redrawn(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> type[TaskSampler]:
    class Redrawn(Fair):
        def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
            return change(super().draw(classes, seed))

    return Redrawn


def both(change: Callable[[Tensor], Tensor]) -> type[TaskSampler]:
    return redrawn(lambda drawn: {split: change(tasks) for split, tasks in drawn.items()})


def doubled(tasks: Tensor) -> Tensor:
    return torch.cat([tasks[:, 1:2], tasks[:, 1:]], dim=1)


class Unequal(Fair):
    def rows(self, number, count, generator, taken):  # type: ignore[no-untyped-def]
        rows = [torch.randperm(6, generator=generator)[:4] for _ in range(number)]
        rows = [torch.cat([row[:2], row[2:] + 6 * (i % 5)]) for i, row in enumerate(rows)]
        return torch.stack(rows)


class Backwards(Fair):
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        return {k: tasks.flip(0) for k, tasks in super().draw(classes, seed).items()}


class Forgetful(Fair):
    """The second draw goes on where the first ended."""

    calls = 0

    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        self.calls += 1
        return super().draw(classes, seed + self.calls)


class Deaf(Fair):
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        return super().draw(classes, 0)


class Disturbing(Fair):
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        random.random()
        return super().draw(classes, seed)


class Peeping(Fair):
    def seen(self, classes: Classes, seed: int) -> Tensor:
        return torch.arange(5)


class Terse(Fair):
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        if len(classes.names) < 4:
            raise UserError("impossible")
        return super().draw(classes, seed)


class Needy(Fair):
    def draw(self, classes: Classes, seed: int) -> dict[str, Tensor]:
        list(classes.superclasses)  # type: ignore[arg-type]
        return super().draw(classes, seed)


class Optionless(Fair):
    def __init__(self, **changes: int) -> None:
        super().__init__(**changes)
        self.options = {"classes": 4}  # type: ignore[assignment]


SAMPLERS = {
    "test_options_are_those_of_every_task_sampler": (Optionless, "subclass of .*TaskOptions"),
    "test_splits_hold_rows_of_classes": (both(torch.Tensor.int), "torch.int32 .* torch.int64"),
    "test_as_many_tasks_are_drawn_as_asked_for": (
        both(lambda tasks: tasks[:-1]),
        "11 ID and 4 OOD tasks are drawn; the options ask for 12 and 5",
    ),
    "test_a_task_holds_no_class_twice": (both(doubled), "a task's classes are distinct"),
    "test_absent_classes_stand_at_the_end": (both(lambda x: x.flip(1)), "behind a -1"),
    "test_sizes_are_those_asked_for": (
        both(lambda tasks: torch.where(torch.arange(4) < 3, tasks, -1)),
        "has 3 classes; 4 is the smallest",
    ),
    "test_id_tasks_are_disjoint_from_all_others": (
        redrawn(lambda drawn: {**drawn, "ood": drawn["id"].flip(1)[:5]}),
        "must not have learned from what it is tested on",
    ),
    "test_classes_are_drawn_about_equally_often": (Unequal, "drawn about equally often"),
    "test_more_id_tasks_leave_the_first_as_they_were": (Backwards, "so that a zoo can grow"),
    "test_the_same_seed_draws_the_same": (Forgetful, "the same seed draws other tasks"),
    "test_another_seed_draws_others": (Deaf, "seeds 3 and 4 draw the same"),
    "test_drawing_leaves_global_randomness_alone": (Disturbing, "of Python's random; draws must"),
    "test_id_tasks_hold_seen_classes_alone": (Peeping, "holds class 5, which seen leaves out"),
    "test_too_few_classes_are_told": (Terse, "'impossible'.*must say what, where"),
    "test_a_data_set_without_superclasses_is_taken_or_told": (
        Needy,
        "raises TypeError .*must raise UserError",
    ),
}


class TestARightTaskSampler(TaskSamplerSuite):
    def component(self, **changes: int) -> TaskSampler:
        return Fair(**changes)


@pytest.mark.parametrize("check", SAMPLERS)
def test_a_wrong_task_sampler_is_caught(check: str, caught: Callable[..., None]) -> None:
    caught(TaskSamplerSuite, check, *SAMPLERS[check])


def test_every_check_of_task_samplers_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(TaskSamplerSuite) == set(SAMPLERS)
