"""The one evaluation: p-Acc of many p-Models at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Architecture
from tina_kit.training import Progress, silent
from tina_kit.zoo.batches import images_of_classes, labels_in_tasks

MODELS = 50  # p-Models evaluated side by side; more only cost memory


@dataclass(frozen=True)
class Correct:
    """correct, total: int64 `(T,)`, test images of each task's classes."""

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
    inputs: Tensor,
    labels: Tensor,
    classes: int,
    batch_size: int,
    device: torch.device,
    progress: Progress = silent,
    label: str = "evaluate",
) -> Correct:
    """Count right answers: the argmax over all rows of a p-Model; rows beyond the task's classes
    are never right.

    vectors: float32 `(T, P)`; tasks: int64 `(T, C)`; inputs, labels: the whole test split.
    """
    rows = rows_of(architecture, vectors.shape[1])
    pools = images_of_classes(labels, classes)
    names = labels_in_tasks(tasks, classes)
    correct = torch.zeros(len(tasks), dtype=torch.long)
    total = torch.tensor([sum(len(pools[c]) for c in task) for task in tasks.tolist()])
    with torch.inference_mode(), progress(label, len(tasks), 0) as advance:
        for first in range(0, len(tasks), MODELS):
            part = slice(first, min(first + MODELS, len(tasks)))
            images = _padded([torch.cat([pools[c] for c in t]) for t in tasks[part].tolist()])
            models = vectors[part].to(device)
            for batch in images.split(batch_size, dim=1):  # (M, B), -1 where padded
                taken = batch.clamp(min=0)
                logits = architecture.forward_many(models, inputs[taken].to(device), rows)
                target = names[part].gather(1, labels[taken])
                right = (logits.argmax(-1).cpu() == target) & (batch >= 0)
                correct[part] += right.sum(1)
            advance(part.stop - first)
    return Correct(correct, total)


def _padded(pools: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(pools, batch_first=True, padding_value=-1)
