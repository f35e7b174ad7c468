"""Mean rows per class: a generator that ignores the rest of the task."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from tina_generators.options_compared import ClassMeansOptions
from tina_generators.rows import NO_ROW, take_rows, tasks_of
from tina_kit.api import Generator, Layout, Request, Zoo, save_tensors

_FILE = "means.safetensors"


class ClassMeans(Generator):
    """The mean of the ID tasks' p-Models, with each class's rows the mean of that class's rows.

    A control: a generator that is no better has learned the rows of each class, but not how they
    depend on the task. It has no rows for classes that occur in no ID task.
    """

    learns_from = frozenset({"p-models"})
    reads_conditions = False

    def __init__(self, options: ClassMeansOptions) -> None:
        pass

    def fit(self, zoo: Zoo) -> None:
        context = self.context
        layout = context.architecture.layout(zoo.tasks.shape[1])
        whole = context.architecture.layout(context.class_count)
        self.counts = torch.bincount(zoo.tasks[zoo.tasks >= 0], minlength=context.class_count)
        self.means = _means(zoo, self.counts, layout, whole)

    def generate(self, request: Request) -> Tensor:
        tasks = tasks_of(request)
        known = torch.cat([self.counts > 0, torch.ones(1, dtype=torch.bool)])  # -1 stays ABSENT
        rows = torch.where(known[tasks], tasks, NO_ROW)
        count = self.context.class_count
        return take_rows(self.context.architecture, count, self.means.expand(len(rows), -1), rows)

    def save(self, folder: Path) -> None:
        save_tensors(folder / _FILE, {"means": self.means, "counts": self.counts})

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / _FILE)
        self.means, self.counts = tensors["means"], tensors["counts"]


def _means(zoo: Zoo, counts: Tensor, layout: Layout, whole: Layout) -> Tensor:
    """float32 `(P_K,)` in `whole`. counts: int64 `(K,)`, ID tasks with each class."""
    present = zoo.tasks >= 0
    means = {}
    for parameter, tensor in zip(whole.parameters, layout.unflatten(zoo.vectors).values()):
        axis = parameter.class_axis
        if axis is None:
            means[parameter.name] = tensor.mean(0)
            continue
        rows = tensor.movedim(axis + 1, 1)[present]  # (rows, ...)
        sums = rows.new_zeros(len(counts), *rows.shape[1:])
        sums.index_add_(0, zoo.tasks[present], rows)
        divisor = counts.clamp(min=1).view(-1, *[1] * (sums.ndim - 1))
        means[parameter.name] = (sums / divisor).movedim(0, axis)
    return whole.flatten(means)
