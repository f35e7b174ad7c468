"""Selects classifier rows by class; the generic model may lack rows for some classes."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_kit.api import Architecture, Context, Request, UserError

ABSENT = -1  # padding of a shorter task: zeros, which the core masks
NO_ROW = -2  # a class without a row: zero weights and a bias, and so a logit, of -inf


def tasks_of(request: Request) -> Tensor:
    """int64 `(T, C)`. Raises UserError if the prompts are not classes of the data set."""
    if request.tasks is None:
        raise UserError("this generator only supports the data set's own classes")
    return request.tasks


def select(context: Context, vectors: Tensor, classes: Tensor) -> Tensor:
    """Select rows by the data set's classes from vectors that have the generic model's rows.

    vectors: float32 `(T, P_K')` in the layout of K' classes; classes: int64 `(T, C)`, classes of
    the data set, ABSENT or NO_ROW. Returns `(T, P)` in the layout of C classes.
    """
    rows = torch.full((context.class_count + 2,), NO_ROW)
    rows[context.generic_classes] = torch.arange(len(context.generic_classes))
    rows[ABSENT] = ABSENT  # the last two entries answer for the negative indices
    return take_rows(context.architecture, len(context.generic_classes), vectors, rows[classes])


def take_rows(architecture: Architecture, count: int, vectors: Tensor, rows: Tensor) -> Tensor:
    """`Layout.take_classes` for rows some of which do not exist.

    vectors: float32 `(T, P)` in the layout of `count` classes; rows: int64 `(T, C)` in [0, count),
    ABSENT or NO_ROW. Only a bias (one entry per class) can make a logit -inf: without a bias, the
    logit of NO_ROW is 0.
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
