"""Runs many p-Models: batched in one call, or one by one, each on its own CPU core.

Which is faster depends on the device and on what is generated (`tests/benchmarks/p_models.py`).
On a CPU, grouped convolutions of many p-Models are slow, while a single p-Model's weights and
activations stay in the cache. On an accelerator, and if only linear layers on features are
generated, one batched call is faster. The choice depends on nothing else, so that repeated runs
give identical results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from tina_kit.api import Architecture
from tina_kit.training import on_every_core
from tina_kit.zoo.data import TaskData

T = TypeVar("T")
Loss = Callable[[Tensor, slice], Tensor]
"""(logits `(m, B, C)` of some p-Models, their slice) → their mean loss, a scalar."""


def one_by_one(architecture: Architecture, device: torch.device) -> bool:
    return device.type == "cpu" and not architecture.frozen_features


def described(architecture: Architecture, device: torch.device) -> str:
    """The form and why, for the log."""
    if one_by_one(architecture, device):
        threads = torch.get_num_threads()
        return (
            f"p-Models run one by one, {threads} at a time with a core each: measured on CPUs, "
            "faster than all of them in one grouped call"
        )
    if architecture.frozen_features:
        return (
            "p-Models run side by side in one batched call on features of their shared layers: "
            "measured, faster than one by one"
        )
    return (
        f"p-Models run side by side in one grouped call, since {device.type} devices are idle "
        "between small ones (not measured)"
    )


def sum_of_losses(
    data: TaskData, vectors: Tensor, index: Tensor, classes: int, loss: Loss
) -> Tensor:
    """The sum of the losses of M p-Models, differentiable in their vectors.

    vectors: float32 `(M, P)`; index: int64 `(M, B)`, the images of each p-Model's batch.
    """
    if one_by_one(data.architecture, data.device):
        total: Tensor = _OneByOne.apply(vectors, data, index, classes, loss)
        return total
    every = slice(0, len(vectors))
    return loss(data.forward_many(vectors, index, classes), every) * len(vectors)


def each(data: TaskData, count: int, at_once: int, work: Callable[[slice], T]) -> Iterator[T]:
    """`work` for p-Models in order: for each by itself on a thread of its own, or for `at_once` of
    them together."""
    if one_by_one(data.architecture, data.device):
        parts = [slice(place, place + 1) for place in range(count)]
        yield from on_every_core(work, parts)
    else:
        for first in range(0, count, at_once):
            yield work(slice(first, min(first + at_once, count)))


class _OneByOne(torch.autograd.Function):
    """Computes each p-Model's gradient right after its loss, while activations are in the cache."""

    @staticmethod
    def forward(
        ctx: Any, vectors: Tensor, data: TaskData, index: Tensor, classes: int, loss: Loss
    ) -> Tensor:
        gradients = torch.empty_like(vectors)

        def work(part: slice) -> Tensor:
            with torch.enable_grad():
                own = vectors[part].detach().requires_grad_()
                value = loss(data.forward_many(own, index[part], classes), part)
                (gradients[part],) = torch.autograd.grad(value, own)
            return value.detach()

        losses = torch.stack(list(each(data, len(vectors), 1, work)))
        ctx.save_for_backward(gradients)
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradients,) = ctx.saved_tensors
        return gradients * grad[0], None, None, None, None
