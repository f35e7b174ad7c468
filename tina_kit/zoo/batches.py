"""Which images each step sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import torch
from torch import Tensor

from tina_kit.api import ByClass


def epoch_batches(pool: Tensor, steps: int, size: int, random: torch.Generator) -> Tensor:
    """int64 `(steps, size)`: entries of `pool` in random order, each once per epoch."""
    epochs = math.ceil(steps * size / len(pool))
    order = torch.cat([torch.randperm(len(pool), generator=random) for _ in range(epochs)])
    return pool[order[: steps * size]].view(steps, size)


def batches_by_epoch(
    pool: Tensor, size: int, random: Callable[[int], torch.Generator]
) -> Callable[[int], Tensor]:
    """step → int64 `(B,)`: entries of `pool` in random order, each once per epoch, whose last batch
    may be smaller than `size`. Only the order of one epoch is in memory. random: epoch → its
    generator."""
    steps = math.ceil(len(pool) / size)

    @lru_cache(maxsize=1)
    def batches(epoch: int) -> tuple[Tensor, ...]:
        order = torch.randperm(len(pool), generator=random(epoch))
        return tuple(pool[part] for part in order.split(size))

    return lambda step: batches(step // steps)[step % steps]


def place_in_class(labels: Tensor) -> Tensor:
    """int64 `(N,)`: the position of each image within its class, in a fixed random order."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = ByClass(labels, selected=order)
    place = torch.empty_like(labels)
    place[images.items] = torch.arange(len(labels)) - images.starts[labels[images.items]]
    return place


def joined(parts: Iterable[Tensor], rows: int) -> Tensor:
    """`torch.cat` of parts with so many rows in all, which are not held beside the result. An only
    part is the result itself, such as one that is mapped from a file."""
    whole, place = torch.empty(0), 0
    for part in parts:
        if len(part) == rows:
            return part
        if place == 0:
            whole = part.new_empty(rows, *part.shape[1:])
        whole[place : place + len(part)] = part
        place += len(part)
    return whole


def labels_in_tasks(tasks: Tensor, classes: int) -> Tensor:
    """int64 `(T, K)`: the label of each class of the data set in each task, -1 if absent.

    tasks: int64 `(T, C)`, -1 where a task has fewer classes.
    """
    names = torch.full((len(tasks), classes + 1), -1)  # the last column takes the absent ones
    position = torch.arange(tasks.shape[1]).expand_as(tasks)
    return names.scatter_(1, torch.where(tasks < 0, classes, tasks), position)[:, :classes]


def without_absent(logits: Tensor, tasks: Tensor) -> Tensor:
    """Logits `(M, B, C')` of M tasks `(M, C)`, C' ≥ C, with -inf for padding classes."""
    absent = tasks < 0
    if not absent.any():
        return logits
    absent = torch.nn.functional.pad(absent, (0, logits.shape[-1] - tasks.shape[1]))
    return logits.masked_fill(absent[:, None].to(logits.device), -torch.inf)
