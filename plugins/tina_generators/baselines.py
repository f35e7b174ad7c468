"""What Tina is compared with: the generic model, a selection of its rows, and the oracle."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.options import ClassifierSelectionOptions, GenericOptions, OracleOptions
from tina_generators.rows import ABSENT, NO_ROW, select, tasks_of
from tina_kit.api import Context, Generator, Request


class _Untrained(Generator):
    learns_from = frozenset()
    reads_conditions = False


class Generic(_Untrained):
    """The generic model with all its rows, the task's classes first."""

    def __init__(self, options: GenericOptions) -> None:
        pass

    def generate(self, request: Request) -> Tensor:
        context, tasks = self.context, tasks_of(request)
        classes = torch.cat([tasks, _others(context, tasks)], dim=1)
        return select(context, context.generic.expand(len(tasks), -1), classes)


class ClassifierSelection(_Untrained):
    """The generic model's classifier rows of the task's classes."""

    def __init__(self, options: ClassifierSelectionOptions) -> None:
        self.options = options

    def generate(self, request: Request) -> Tensor:
        context, classes = self.context, tasks_of(request)
        if self.options.others == "zero":
            others = _others(context, classes)
            zeroed = torch.where(others == NO_ROW, NO_ROW, ABSENT)
            classes = torch.cat([classes, zeroed], dim=1)
        return select(context, context.generic.expand(len(classes), -1), classes)


class Oracle(_Untrained):
    """Fine-tunes on the task's training images: an upper bound, not a generator."""

    personalises = True

    def __init__(self, options: OracleOptions) -> None:
        pass

    def generate(self, request: Request) -> Tensor:
        return self.context.personalise(tasks_of(request))


def _others(context: Context, tasks: Tensor) -> Tensor:
    """int64 `(T, R)`: the classes with a row that are not in the task, in label order, padded with
    NO_ROW."""
    other = torch.zeros(len(tasks), context.class_count + 1, dtype=torch.bool)
    other[:, context.generic_classes] = True
    # The last column collects the padding.
    other = other.scatter(1, torch.where(tasks < 0, context.class_count, tasks), False)[:, :-1]
    counts = other.sum(1, keepdim=True)
    order = other.long().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    return torch.where(torch.arange(order.shape[1]) < counts, order, NO_ROW)
