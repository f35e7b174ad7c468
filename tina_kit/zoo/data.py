"""The labelled inputs of one split, for fine-tuning and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tina_kit.api import Architecture, ByClass

KEPT = 1 << 29
"""Maximum size in bytes of a data set that is normalised once instead of batch by batch."""


def normalised(
    architecture: Architecture, images: Tensor, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """int64 indices of any shape → float32 `(*shape, 3, H, W)` on `device`, normalised.

    images: uint8 `(N, 3, H, W)`. Small sets are normalised once, since their images occur in many
    tasks, and stored channels-last, which is faster for convolutions over few channels.
    """
    if 4 * images.numel() <= KEPT:
        rows = architecture.normalise(images.to(device)).permute(0, 2, 3, 1).contiguous()
        return lambda index: _rows(rows, index.to(device)).movedim(-1, -3)
    return lambda index: architecture.normalise(_rows(images, index).to(device))


def _rows(rows: Tensor, index: Tensor) -> Tensor:
    """`rows[index]`, by the faster `index_select`."""
    taken: Tensor = rows.index_select(0, index.flatten()).unflatten(0, index.shape)
    return taken


@dataclass(frozen=True)
class TaskData:
    """Labelled inputs of one split, for p-Models of one architecture.

    inputs: int64 `(M, B)` image indices → inputs of `forward_many`, `(M, B, ...)` on `device`.
    labels: int64 `(N,)` in [0, class_count).
    frozen: the generic model's state dict, for parameters that are not generated.
    """

    architecture: Architecture
    inputs: Callable[[Tensor], Tensor]
    labels: Tensor
    class_count: int
    frozen: Mapping[str, Tensor]
    device: torch.device

    @cached_property
    def by_class(self) -> ByClass:
        """The images of each class."""
        return ByClass(self.labels, self.class_count)

    @cached_property
    def frozen_here(self) -> dict[str, Tensor]:
        """`frozen`, on `device`."""
        return {name: tensor.to(self.device) for name, tensor in self.frozen.items()}

    def images_of(self, task: Tensor) -> Tensor:
        """The indices of all images of a task `(C,)`, -1 where it has fewer classes."""
        return torch.cat([self.by_class.pools[index] for index in task.tolist() if index >= 0])

    def forward_many(self, vectors: Tensor, index: Tensor, classes: int) -> Tensor:
        """float32 `(M, P)` on `device`, int64 `(M, B)` → logits `(M, B, classes)`."""
        return self.architecture.forward_many(
            vectors, self.inputs(index), classes, self.frozen_here
        )
