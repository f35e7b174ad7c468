"""Images through a network that learns nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from tina_kit.store import Checkpoint, Draft, NotFinite
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
    that is killed goes on after the last one. Raises NotFinite where a row holds NaN or infinity.
    """
    parts = images.split(TOGETHER)
    checkpoints = [draft.checkpoint(f"{label} {number}") for number in range(len(parts))]
    there = [saved.path.is_file() for saved in checkpoints]
    done = sum(len(some) for some, saved in zip(parts, there) if saved)
    rows = torch.empty(0)
    with progress(label, len(images), done) as advance:
        for number, (some, checkpoint) in enumerate(zip(parts, checkpoints)):
            part = _saved(checkpoint, len(some))
            if part is None:
                counted = _uncounted if there[number] else advance
                part = torch.cat(list(_in_batches(network, some, counted)))
                _save(checkpoint, part, label)
            if number == 0:  # now that the shape is known; a list of all would take twice as much
                rows = part.new_empty(len(images), *part.shape[1:])
            if part.shape[1:] != rows.shape[1:] and any(there):
                for saved in filter(lambda saved: saved.path.is_file(), checkpoints):
                    saved.discard("its rows have another size than those of other images")
                return through(network, images, draft, label, progress)
            rows[number * TOGETHER :][: len(part)] = part
    return rows


def _saved(checkpoint: Checkpoint, count: int) -> Tensor | None:
    """The rows of so many images, where they were saved."""
    saved = checkpoint.load()
    if saved is None:
        return None
    rows = saved[0].get("rows")
    if rows is not None and rows.dtype == torch.float32 and rows.shape[:1] == (count,):
        return rows
    checkpoint.discard(f"it does not hold rows of {count} images")
    return None


def _save(checkpoint: Checkpoint, rows: Tensor, label: str) -> None:
    try:
        checkpoint.save({"rows": rows}, {})
    except NotFinite as error:
        raise NotFinite(
            f"{label}: what the network computed is not finite: {error}. Check the weights that it "
            "was given, or compute in fp32 (precision: fp32)"
        ) from None


def _uncounted(steps: int) -> None:
    """The progress of rows that were counted as saved."""


def _in_batches(
    network: Callable[[Tensor], Tensor], images: Tensor, advance: Advance
) -> Iterator[Tensor]:
    for batch in images.split(AT_ONCE):
        yield network(batch).float().cpu()
        advance(len(batch))
