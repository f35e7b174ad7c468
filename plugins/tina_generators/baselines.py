"""What Tina is compared with: the generic model, a selection of its rows, and the oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.options import ClassifierSelectionOptions, GenericOptions, OracleOptions
from tina_kit.api import Generator, Request, UserError


class _Untrained(Generator):
    learns = False
    reads_conditions = False


def _tasks(request: Request) -> Tensor:
    if request.tasks is None:
        raise UserError("this generator knows only the data set's own classes")
    return request.tasks


class Generic(_Untrained):
    """The generic model: every class of the data set may be answered, the task's first."""

    def __init__(self, options: GenericOptions) -> None:
        pass

    def generate(self, request: Request) -> Tensor:
        context = self.context
        layout = context.architecture.layout(context.class_count)
        order = _task_first(_tasks(request), context.class_count)
        return layout.take_classes(context.generic.expand(len(order), -1), order)


class ClassifierSelection(_Untrained):
    """The generic model's classifier rows of the task's classes."""

    def __init__(self, options: ClassifierSelectionOptions) -> None:
        self.options = options

    def generate(self, request: Request) -> Tensor:
        context, tasks = self.context, _tasks(request)
        layout = context.architecture.layout(context.class_count)
        generic = context.generic.expand(len(tasks), -1)
        if self.options.others == "drop":
            return layout.take_classes(generic, tasks)
        vectors = layout.take_classes(generic, _task_first(tasks, context.class_count))
        vectors[:, layout.class_of_entries() >= tasks.shape[1]] = 0
        return vectors


class Oracle(_Untrained):
    """Fine-tunes on the task's training images: no generator, but what one could reach."""

    def __init__(self, options: OracleOptions) -> None:
        pass

    def generate(self, request: Request) -> Tensor:
        return self.context.personalise(_tasks(request))


def _task_first(tasks: Tensor, classes: int) -> Tensor:
    """int64 `(T, K)`: the task's classes in their order, then all others."""
    rank = torch.full((len(tasks), classes), classes)
    rank.scatter_(1, tasks, torch.arange(tasks.shape[1]).expand_as(tasks))
    return rank.argsort(dim=1, stable=True)
