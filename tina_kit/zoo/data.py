"""The labelled inputs of one split, for fine-tuning and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import torch
from torch import Tensor

from tina_kit.api import Architecture, ByClass

KEPT = 1 << 30
"""Bytes of normalised images that are kept, rather than normalised again in every batch."""
_AT_ONCE = 1024  # images normalised in one go, so that no float32 copy of a whole set is made


def normalised(
    architecture: Architecture, images: Tensor, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """int64 indices of any shape → `(*shape, D, H', W')` on `device`, normalised and arranged: in
    autocast's dtype where it is on, else in float32.

    images: uint8 `(N, 3, H, W)`. Small sets are normalised once, since their images occur in many
    tasks, and stored channels-last, which is faster for convolutions over few channels.
    """
    kept: dict[torch.dtype, Tensor] = {}
    lock = Lock()  # p-Models on other cores ask at the same time

    def read(index: Tensor) -> Tensor:
        dtype = _computed_in(device)
        if images.numel() * dtype.itemsize > KEPT:
            return architecture.arrange(architecture.normalise(_rows(images, index).to(device)))
        with lock:
            if dtype not in kept:
                kept[dtype] = torch.cat(
                    [
                        _pixels(architecture, some.to(device), dtype)
                        for some in images.split(_AT_ONCE)
                    ]
                )
        return _rows(kept[dtype], index.to(device)).movedim(-1, -3)

    return read


def prepared(architecture: Architecture, images: Tensor, device: torch.device) -> Tensor:
    """uint8 `(B, 3, H, W)` → `(B, D, H', W')`, as `normalised` gives them."""
    return _pixels(architecture, images.to(device), _computed_in(device)).movedim(-1, -3)


def _pixels(architecture: Architecture, images: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 `(N, 3, H, W)` → `(N, H', W', D)`."""
    return (
        architecture.arrange(architecture.normalise(images).to(dtype)).movedim(1, -1).contiguous()
    )


def _computed_in(device: torch.device) -> torch.dtype:
    on = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if on else torch.float32


def _rows(rows: Tensor, index: Tensor) -> Tensor:
    """`rows[index]`, by the faster `index_select`."""
    taken: Tensor = rows.index_select(0, index.flatten()).unflatten(0, index.shape)
    return taken


@dataclass(frozen=True)
class TaskData:
    """Labelled inputs of one split, for p-Models of one architecture.

    inputs: int64 `(M, B)` image indices → inputs of `forward_many`, `(M, B, ...)` on `device`.
    labels: int64 `(N,)` in [0, class_count).
    frozen: the generic model's state, for parameters that are not generated.
    mirrored: whether each image's mirror image is a further image, all of them after the others.
    features: what layers that p-Models share make of all images, float32 `(N, D)` on the CPU, by
        these layers' hash; see `on_shared_features`.
    """

    architecture: Architecture
    inputs: Callable[[Tensor], Tensor]
    labels: Tensor
    class_count: int
    frozen: Mapping[str, Tensor]
    device: torch.device
    mirrored: bool = False
    features: dict[str, Tensor] = field(default_factory=dict)

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
