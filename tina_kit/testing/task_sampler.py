"""Conformance of task samplers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tina_kit.api import Classes, TaskOptions, TaskSampler
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite

MANY = 200  # ID tasks, enough to see whether classes are drawn evenly


class TaskSamplerSuite(ComponentSuite):
    """Checks of a task sampler, each on tasks of one size and on tasks that end in -1.

    classes: what tasks are drawn from.
    leaves_classes_out: whether ID tasks hold only some of the classes that may be seen.
    """

    kind = "task-sampler"
    contract: ClassVar[type] = TaskSampler
    leaves_classes_out: bool = False
    classes: Classes = Classes(
        [f"{size} {form}" for size in ("tiny", "small", "big", "huge") for form in "abcdefghij"],
        [index % 10 for index in range(40)],
    )

    def drawn(self, seed: int = 0, **changes: Any) -> tuple[TaskOptions, dict[str, Tensor]]:
        """A fresh sampler's options, and what it draws."""
        component = self.component(**changes)
        options: TaskOptions = component.options
        return options, component.draw(self.classes, seed)

    @property
    def variants(self) -> Iterator[tuple[TaskOptions, dict[str, Tensor]]]:
        """Tasks of one size, and tasks of several that are padded."""
        yield self.kept("full", self.drawn)
        smallest = max(2, self.kept("full", self.drawn)[0].classes - 2)
        yield self.kept("padded", lambda: self.drawn(smallest=smallest))

    def test_options_are_those_of_every_task_sampler(self) -> None:
        options = getattr(self.shared, "options", None)
        assert isinstance(options, TaskOptions), (
            f"its attribute `options` is a {type(options).__name__}; the core reads classes, id "
            "and ood from a subclass of tina_kit.api.TaskOptions"
        )

    def test_splits_hold_rows_of_classes(self) -> None:
        for options, drawn in self.variants:
            assert {"id", "ood"} <= set(drawn), (
                f"draw gives {', '.join(drawn)}; it must give id and ood"
            )
            for split, tasks in drawn.items():
                expect.tensor(f"tasks of {split}", tasks, torch.int64, None, options.classes)
                assert tasks.min() >= -1 and tasks.max() < len(self.classes.names), (
                    f"{split} holds entries from {int(tasks.min())} to {int(tasks.max())}; they "
                    f"must be class indices below {len(self.classes.names)}, or -1"
                )

    def test_as_many_tasks_are_drawn_as_asked_for(self) -> None:
        for options, drawn in self.variants:
            found = len(drawn["id"]), len(drawn["ood"])
            assert found == (options.id, options.ood), (
                f"{found[0]} ID and {found[1]} OOD tasks are drawn; the options ask for "
                f"{options.id} and {options.ood}"
            )

    def test_a_task_holds_no_class_twice(self) -> None:
        for _, drawn in self.variants:
            for split, tasks in drawn.items():
                for task in classes_of(tasks):
                    assert len(set(task)) == len(task), (
                        f"a task of {split} is {task}; a task's classes are distinct"
                    )

    def test_absent_classes_stand_at_the_end(self) -> None:
        for _, drawn in self.variants:
            for split, tasks in drawn.items():
                later = (tasks[:, :-1] < 0) & (tasks[:, 1:] >= 0)
                assert not later.any(), (
                    f"a task of {split} has a class behind a -1; a task of fewer classes ends in -1"
                )

    def test_sizes_are_those_asked_for(self) -> None:
        for options, drawn in self.variants:
            smallest = options.smallest or options.classes
            for split, tasks in drawn.items():
                sizes = (tasks >= 0).sum(1)
                assert sizes.min() >= smallest, (
                    f"a task of {split} has {int(sizes.min())} classes; {smallest} is the smallest "
                    "asked for"
                )
            sizes = (drawn["id"] >= 0).sum(1).unique()
            assert len(sizes) > 1 or smallest == options.classes or options.id == 1, (
                f"all ID tasks have {int(sizes[0])} classes, though sizes from {smallest} to "
                f"{options.classes} are asked for (`smallest`)"
            )

    def test_id_tasks_are_disjoint_from_all_others(self) -> None:
        for _, drawn in self.variants:
            known = [frozenset(task) for task in classes_of(drawn["id"])]
            assert len(set(known)) == len(known), (
                "two ID tasks hold the same classes; they must differ as unordered sets"
            )
            for split in drawn.keys() - {"id"}:
                shared = set(known) & {frozenset(task) for task in classes_of(drawn[split])}
                assert not shared, (
                    f"{sorted(next(iter(shared)))} is a task of {split} and, in some order, an ID "
                    "task; a generator must not have learned from what it is tested on"
                )

    def test_classes_are_drawn_about_equally_often(self) -> None:
        _, drawn = self.kept("many", lambda: self.drawn(id=MANY))
        tasks = drawn["id"]
        counts = torch.bincount(tasks[tasks >= 0], minlength=len(self.classes.names))
        seen = self.component(id=MANY).seen(self.classes, 0)
        counts = counts if seen is None else counts[seen]
        if self.leaves_classes_out:
            counts = counts[counts > 0]
        most, least, mean = int(counts.max()), int(counts.min()), float(counts.float().mean())
        assert most - least <= max(2, mean / 2), (
            f"in {MANY} ID tasks one class is drawn {most} times and one {least} times; every "
            "class must be drawn about equally often"
        )

    def test_more_id_tasks_leave_the_first_as_they_were(self) -> None:
        options, drawn = next(self.variants)
        _, more = self.drawn(id=options.id + 5)
        expect.equal(
            "more ID tasks change the first ones; they must stay, so that a zoo can grow",
            drawn["id"],
            more["id"][: options.id],
        )

    def test_the_same_seed_draws_the_same(self) -> None:
        component = self.component()
        first = component.draw(self.classes, 3)
        component.draw(self.classes, 4)
        with expect.global_seed(1):
            others = (component.draw(self.classes, 3), self.component().draw(self.classes, 3))
        for again in others:
            assert first.keys() == again.keys(), "the same seed gives other splits"
            for split in first:
                expect.equal(
                    f"the same seed draws other tasks of {split}; tasks depend on options, "
                    "classes and the seed alone",
                    first[split],
                    again[split],
                )

    def test_another_seed_draws_others(self) -> None:
        first, other = (
            self.component().draw(self.classes, 3),
            self.component().draw(self.classes, 4),
        )
        assert not torch.equal(first["id"], other["id"]), (
            "seeds 3 and 4 draw the same ID tasks; tasks must come from the seed"
        )

    def test_drawing_leaves_global_randomness_alone(self) -> None:
        component = self.component()
        with expect.undisturbed("draw"):
            component.draw(self.classes, 0)

    def test_id_tasks_hold_seen_classes_alone(self) -> None:
        component = self.component()
        seen = component.seen(self.classes, 0)
        if seen is None:
            return
        expect.tensor("seen", seen, torch.int64, None)
        assert torch.equal(seen, seen.unique()), (
            "seen is not sorted or holds a class twice; it must be sorted, each class once"
        )
        tasks = component.draw(self.classes, 0)["id"]
        strange = sorted(set(tasks[tasks >= 0].tolist()) - set(seen.tolist()))
        assert not strange, (
            f"an ID task holds class {strange[0]}, which seen leaves out; nothing trained may see "
            "it"
        )

    def test_too_few_classes_are_told(self) -> None:
        component = self.component()
        superclasses = self.classes.superclasses
        few = component.options.classes - 1
        if few < 1:
            pytest.skip("a task needs at least two classes")
        some = Classes(self.classes.names[:few], superclasses and superclasses[:few])
        with expect.user_error(f"a data set of {few} classes, with {few + 1} in a task"):
            component.draw(some, 0)

    def test_a_data_set_without_superclasses_is_taken_or_told(self) -> None:
        with expect.done_or_told("a data set without superclasses"):
            self.component().draw(Classes(self.classes.names), 0)


def classes_of(tasks: Tensor) -> list[list[int]]:
    """Each task's classes, without the absent ones."""
    return [[index for index in task if index >= 0] for task in tasks.tolist()]
