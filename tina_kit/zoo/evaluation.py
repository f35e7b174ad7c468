"""Evaluates many p-Models at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Architecture, Observer
from tina_kit.training import autocast, counting, resolve_precision
from tina_kit.zoo.batches import labels_in_tasks, without_absent
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.forms import each, one_by_one
from tina_kit.zoo.shared import on_shared_features

MODELS = 50  # p-Models per batched call; more only cost memory

DOUBT = 0.015
"""bf16 may swap two logits that differ by less than this share of the largest one's size. Images
whose class is so close to the best other one are evaluated again in float32, and more of them if
that changes logits by more."""
LEAST = 16  # images of a p-Model that are evaluated in float32 at least


@dataclass(frozen=True)
class Correct:
    """Counts of test images. correct, total: int64 `(T, C)`, for each class of each task, 0 where a
    task has fewer classes."""

    correct: Tensor
    total: Tensor


def rows_of(architecture: Architecture, size: int) -> int:
    """The number of classes C for which a parameter vector has `size` entries (which are linear in
    C). Raises ValueError if there is none."""
    two, three = (architecture.layout(classes).size for classes in (2, 3))
    classes = 2 + (size - two) // max(1, three - two)
    if architecture.layout(classes).size != size:
        raise ValueError(f"no layout of this architecture has {size} entries")
    return classes


def evaluate(
    data: TaskData,
    vectors: Tensor,
    tasks: Tensor,
    batch_size: int,
    observer: Observer | None = None,
    label: str = "evaluate",
) -> Correct:
    """Count correct predictions, the argmax over all rows of a p-Model. Rows beyond the task's
    classes are never correct, and neither are logits of -inf (no row for this class).

    data: the whole test split; vectors: float32 `(T, P)`; tasks: int64 `(T, C)`, -1 where a task
    has fewer classes.
    """
    rows = rows_of(data.architecture, vectors.shape[1])
    names = labels_in_tasks(tasks, data.class_count)
    vectors, chosen = vectors.to(data.device), [data.images_of(task) for task in tasks]

    def count(part: slice) -> Tensor:
        """int64 `(m, C)`: correct predictions of some p-Models."""
        images = _padded(chosen[part])  # (m, images), -1 where padded
        taken, some = images.clamp(min=0), vectors[part]
        target = names[part].gather(1, data.labels[taken])
        correct = _is_right(data, some, taken, target, tasks[part], rows, batch_size)
        correct &= images >= 0
        right = torch.zeros_like(tasks[part])
        return right.scatter_add_(1, target.clamp(min=0), correct.long())

    counts: list[Tensor] = []
    with torch.inference_mode(), counting(observer or Observer(), label, len(tasks)) as advance:
        if data.features or sum(map(len, chosen)) > len(data.labels):
            data, vectors = on_shared_features(data, vectors, rows, batch_size)
        for right in each(data, len(tasks), MODELS, count):
            counts.append(right)
            advance(len(right))
    total = torch.where(tasks < 0, 0, data.by_class.counts[tasks])
    return Correct(torch.cat(counts), total)


def _is_right(
    data: TaskData,
    vectors: Tensor,
    index: Tensor,
    target: Tensor,
    tasks: Tensor,
    rows: int,
    batch_size: int,
) -> Tensor:
    """bool `(m, images)`: whether float32 logits are largest at the target, int64 `(m, images)`."""

    def logits(index: Tensor, precision: str = "fp32") -> Tensor:
        batches = index.split(batch_size, dim=1)
        with autocast(precision, data.device):
            found = [data.forward_many(vectors, batch, rows) for batch in batches]
        return without_absent(torch.cat(found, dim=1).float(), tasks).cpu()

    alone = one_by_one(data.architecture, data.device)
    if not alone or resolve_precision("auto", data.device) == "fp32":
        best, answer = logits(index).max(-1)
    else:
        quick = logits(index, "bf16")[0]
        exact = _corrected(quick, target[0], lambda some: logits(index[:, some])[0])
        best, answer = exact[None].max(-1)
    return (answer == target) & (best > -torch.inf)


def _corrected(quick: Tensor, target: Tensor, exact: Callable[[Tensor], Tensor]) -> Tensor:
    """Logits `(images, rows)` that are largest at the target exactly where those of float32 are.

    quick: the same in bf16; target: int64 `(images,)`; exact: int64 `(n,)` of the images → float32
    `(n, rows)`. Other rows may be close to each other: an image is wrong whichever of them wins.
    """
    own = quick.gather(1, target[:, None])
    others = quick.scatter(1, target[:, None], -torch.inf).amax(-1)
    size = quick.abs().where(quick.isfinite(), 0).amax(-1)
    lead = ((own.squeeze(1) - others).abs() / size).nan_to_num(nan=-torch.inf)
    closest, doubt, done = lead.argsort(), DOUBT, 0
    while (count := max(LEAST, int((lead < doubt).sum()))) > done and done < len(lead):
        some = closest[done:count]
        right = exact(some)
        apart = (quick[some] - right).where(right.isfinite(), 0)
        moved = ((apart.amax(-1) - apart.amin(-1)) / size[some]).nan_to_num(nan=0)
        doubt = max(doubt, 1.5 * float(moved.max()))
        quick[some], done = right, count
    return quick


def _padded(pools: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(pools, batch_first=True, padding_value=-1)
