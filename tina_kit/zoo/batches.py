"""Which images each step sees."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def epoch_batches(pool: Tensor, steps: int, size: int, random: torch.Generator) -> Tensor:
    """int64 `(steps, size)`: entries of `pool` in random order, each once an epoch."""
    epochs = math.ceil(steps * size / len(pool))
    order = torch.cat([torch.randperm(len(pool), generator=random) for _ in range(epochs)])
    return pool[order[: steps * size]].view(steps, size)


def images_of_classes(labels: Tensor, classes: int) -> list[Tensor]:
    """For each class the indices of its images."""
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels, minlength=classes).tolist()
    return list(order.split(counts))


def labels_in_tasks(tasks: Tensor, classes: int) -> Tensor:
    """int64 `(T, K)`: what each class of the data set is called in each task, -1 where absent."""
    names = torch.full((len(tasks), classes), -1)
    position = torch.arange(tasks.shape[1]).expand_as(tasks)
    return names.scatter_(1, tasks, position)
