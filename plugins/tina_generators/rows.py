"""From classes to classifier rows: the generic model may have rows for only some of them."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_kit.api import Architecture, Context, Request, UserError

ABSENT = -1  # the place of a shorter task's missing class: zeros, which the core masks
NO_ROW = -2  # a class that nothing has a row for: zeros and a bias, so a logit, of -inf


def tasks_of(request: Request) -> Tensor:
    """int64 `(T, C)`. Raises UserError where the prompts are no classes of the data set."""
    if request.tasks is None:
        raise UserError("this generator knows only the data set's own classes")
    return request.tasks


def select(context: Context, vectors: Tensor, classes: Tensor) -> Tensor:
    """Pick the rows of the data set's classes from vectors that have the generic model's rows.

    vectors: float32 `(T, P_K')` in the layout of K' classes; classes: int64 `(T, C)`, classes of
    the data set, ABSENT or NO_ROW. Returns `(T, P)` in the layout of C classes.
    """
    rows = torch.full((context.class_count + 2,), NO_ROW)
    rows[context.generic_classes] = torch.arange(len(context.generic_classes))
    rows[ABSENT] = ABSENT  # the last two entries answer for the negative indices
    return take_rows(context.architecture, len(context.generic_classes), vectors, rows[classes])


def take_rows(architecture: Architecture, count: int, vectors: Tensor, rows: Tensor) -> Tensor:
    """`Layout.take_classes` for rows of which some do not exist.

    vectors: float32 `(T, P)` in the layout of `count` classes; rows: int64 `(T, C)` in [0, count),
    ABSENT or NO_ROW. Only a bias, a parameter with one entry a class, can make a logit -inf: a
    classifier without one answers 0 for NO_ROW.
    """
    rows = rows.to(vectors.device)
    taken = architecture.layout(count).take_classes(vectors, rows.clamp(min=0))
    layout = architecture.layout(rows.shape[1])
    tensors = layout.unflatten(taken)
    for parameter in layout.parameters:
        if parameter.class_axis is None:
            continue
        kind = parameter.along_classes(rows)
        tensor = tensors[parameter.name].masked_fill(kind < 0, 0)
        if len(parameter.shape) == 1:
            tensor = tensor.masked_fill(kind == NO_ROW, -torch.inf)
        tensors[parameter.name] = tensor
    return layout.flatten(tensors)
