"""Evaluates several p-Models of each task: each by itself, their mean, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import Observer
from tina_kit.training import autocast, counting, generator_for
from tina_kit.zoo.batches import labels_in_tasks, without_absent
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import rows_of
from tina_kit.zoo.forms import each, one_by_one


@dataclass(frozen=True)
class Answers:
    """Right answers, by class of each task. own: int64 `(S, T, C)`, of every p-Model; mean: int64
    `(T, C)` by n, of the mean of the first n p-Models' probabilities; total: int64 `(T, C)`."""

    own: Tensor
    mean: dict[int, Tensor]
    total: Tensor

    def best(self, losses: Tensor, count: int) -> Tensor:
        """int64 `(T, C)`: right answers of each task's p-Model with the lowest loss among the first
        `count`. losses: float32 `(S, T)`, of labelled images."""
        chosen = losses[:count].argmin(0)
        return self.own[chosen, torch.arange(self.own.shape[1])]


def evaluate_samples(
    data: TaskData,
    vectors: Tensor,
    tasks: Tensor,
    numbers: Sequence[int],
    batch_size: int,
    observer: Observer | None = None,
    label: str = "evaluate",
) -> Answers:
    """Count correct predictions as `evaluate` does, in float32.

    vectors: float32 `(S, T, P)`, S p-Models of each task; tasks: int64 `(T, C)`; numbers: how many
    p-Models are averaged, at most S each.
    """
    rows, at = rows_of(data.architecture, vectors.shape[2]), torch.tensor(numbers).long() - 1
    names = labels_in_tasks(tasks, data.class_count)

    def count(part: slice) -> Tensor:
        """int64 `(S + len(numbers), C)`, of one task."""
        task = tasks[part]
        right = torch.zeros(len(vectors) + len(at), task.shape[1], dtype=torch.long)
        for index in data.images_of(task[0]).split(batch_size):
            logits = _logits(data, vectors[:, part.start], task, index, rows)
            # Without a row for any of the classes there is no answer.
            shares = logits.softmax(-1).nan_to_num(nan=0)
            best, answer = torch.cat([shares, shares.cumsum(0)[at]]).max(-1)
            target = names[part.start, data.labels[index]].expand_as(answer)
            right.scatter_add_(1, target, ((answer == target) & (best > 0)).long())
        return right

    counts: list[Tensor] = []
    with torch.inference_mode(), counting(observer or Observer(), label, len(tasks)) as advance:
        for right in each(data, len(tasks), 1, count):
            counts.append(right)
            advance(1)
    found = torch.stack(counts, 1)
    total = torch.where(tasks < 0, 0, data.by_class.counts[tasks])
    own, means = found[: len(vectors)], found[len(vectors) :]
    return Answers(own, dict(zip(numbers, means)), total)


def losses_of_samples(
    data: TaskData, vectors: Tensor, tasks: Tensor, shots: int, seed: int
) -> Tensor:
    """float32 `(S, T)`: each p-Model's mean cross-entropy on `shots` images of each class of its
    task, drawn by the seed; all images of a class that has fewer.

    data: the training images; vectors: float32 `(S, T, P)`; tasks: int64 `(T, C)`.
    """
    rows = rows_of(data.architecture, vectors.shape[2])
    names = labels_in_tasks(tasks, data.class_count)
    random = generator_for(seed, "shots")
    few = [
        pool[torch.randperm(len(pool), generator=random)[:shots]] for pool in data.by_class.pools
    ]

    def loss(part: slice) -> Tensor:
        index = torch.cat([few[label] for label in tasks[part.start].tolist() if label >= 0])
        logits = _logits(data, vectors[:, part.start], tasks[part], index, rows)
        target = names[part.start, data.labels[index]].expand(len(vectors), -1)
        each_image = F.cross_entropy(logits.mT, target, reduction="none")
        return each_image.nan_to_num(nan=torch.inf).mean(1)

    with torch.inference_mode():
        return torch.stack(list(each(data, len(tasks), 1, loss)), 1)


def _logits(data: TaskData, vectors: Tensor, task: Tensor, index: Tensor, rows: int) -> Tensor:
    """float32 `(S, P)`, p-Models of one task `(1, C)`, and int64 `(B,)` → `(S, B, rows)` on the
    CPU."""
    alone = one_by_one(data.architecture, data.device)
    parts = vectors.to(data.device).split(1 if alone else len(vectors))
    with autocast("fp32", data.device):
        found = [data.forward_many(part, index.expand(len(part), -1), rows) for part in parts]
    return without_absent(torch.cat(found).float().cpu(), task.expand(len(vectors), -1))
