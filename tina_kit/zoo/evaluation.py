"""The one evaluation: p-Acc of many p-Models at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Architecture
from tina_kit.training import Progress, silent
from tina_kit.zoo.batches import images_of_classes, images_of_task, labels_in_tasks, without_absent

MODELS = 50  # p-Models evaluated side by side; more only cost memory


@dataclass(frozen=True)
class Correct:
    """correct, total: int64 `(T, C)`, test images of each class of each task, 0 where a task
    has fewer."""

    correct: Tensor
    total: Tensor


def rows_of(architecture: Architecture, size: int) -> int:
    """How many classes a vector of `size` entries has rows for; sizes grow linearly with them."""
    two, three = (architecture.layout(classes).size for classes in (2, 3))
    classes = 2 + (size - two) // max(1, three - two)
    if architecture.layout(classes).size != size:
        raise ValueError(f"no layout of this architecture has {size} entries")
    return classes


def evaluate(
    architecture: Architecture,
    vectors: Tensor,
    tasks: Tensor,
    inputs: Callable[[Tensor], Tensor],
    labels: Tensor,
    classes: int,
    batch_size: int,
    device: torch.device,
    frozen: Mapping[str, Tensor],
    progress: Progress = silent,
    label: str = "evaluate",
) -> Correct:
    """Count right answers: the argmax over all rows of a p-Model. Rows beyond the task's classes
    are never right, and neither is a logit of -inf, which says that there is no row.

    vectors: float32 `(T, P)`; tasks: int64 `(T, C)`, -1 where a task has fewer classes.
    inputs: int64 `(M, B)` indices of test images → `(M, B, ...)`, on the device.
    labels: int64 `(N,)` of the whole test split; frozen: the generic model's state.
    """
    rows = rows_of(architecture, vectors.shape[1])
    pools = images_of_classes(labels, classes)
    names = labels_in_tasks(tasks, classes)
    correct = torch.zeros_like(tasks)
    chosen = [images_of_task(pools, task) for task in tasks]
    frozen = {name: tensor.to(device) for name, tensor in frozen.items()}
    with torch.inference_mode(), progress(label, len(tasks), 0) as advance:
        for first in range(0, len(tasks), MODELS):
            part = slice(first, min(first + MODELS, len(tasks)))
            images = _padded(chosen[part])
            models = vectors[part].to(device)
            for batch in images.split(batch_size, dim=1):  # (M, B), -1 where padded
                taken = batch.clamp(min=0)
                logits = architecture.forward_many(models, inputs(taken), rows, frozen)
                best, answer = without_absent(logits, tasks[part]).max(-1)
                target = names[part].gather(1, labels[taken])
                right = (answer.cpu() == target) & (best.cpu() > -torch.inf) & (batch >= 0)
                correct[part].scatter_add_(1, target.clamp(min=0), right.long())
            advance(part.stop - first)
    sizes = torch.tensor([len(pool) for pool in pools])
    return Correct(correct, torch.where(tasks < 0, 0, sizes[tasks]))


def _padded(pools: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(pools, batch_first=True, padding_value=-1)
