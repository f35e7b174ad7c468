"""Images through a network that learns nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from tina_kit.store import Draft
from tina_kit.training import Progress
from tina_kit.training.progress import Advance

AT_ONCE = 256  # images through the network side by side
TOGETHER = 16 * AT_ONCE  # images in a checkpoint


def through(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    draft: Draft,
    label: str,
    progress: Progress,
) -> Tensor:
    """uint8 `(N, 3, H, W)`, or int64 `(N,)` that stand for such images → float32 `(N, ...)` on the
    CPU.

    network: `(B, ...)` of `images` → `(B, ...)`. Each checkpoint is written once, so that a stage
    that is killed goes on after the last one.
    """
    parts = images.split(TOGETHER)
    checkpoints = [draft.checkpoint(f"{label} {number}") for number in range(len(parts))]
    done = sum(len(some) for some, saved in zip(parts, checkpoints) if saved.path.is_file())
    rows = torch.empty(0)
    with progress(label, len(images), done) as advance:
        for number, (some, checkpoint) in enumerate(zip(parts, checkpoints)):
            if saved := checkpoint.load():
                part = saved[0]["rows"]
            else:
                part = torch.cat(list(_in_batches(network, some, advance)))
                checkpoint.save({"rows": part}, {})
            if number == 0:  # now that the shape is known; a list of all would take twice as much
                rows = part.new_empty(len(images), *part.shape[1:])
            rows[number * TOGETHER :][: len(part)] = part
    return rows


def _in_batches(
    network: Callable[[Tensor], Tensor], images: Tensor, advance: Advance
) -> Iterator[Tensor]:
    for batch in images.split(AT_ONCE):
        yield network(batch).float().cpu()
        advance(len(batch))
