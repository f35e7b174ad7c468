"""What fine-tuning and evaluation share: the labelled inputs of one split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tina_kit.api import Architecture, ByClass


@dataclass(frozen=True)
class TaskData:
    """Labelled inputs of one split, for p-Models of one architecture.

    inputs: int64 `(M, B)` indices of images → `(M, B, ...)` on `device`, as `forward_many` takes
        them.
    labels: int64 `(N,)` in [0, class_count).
    frozen: the generic model's state, for parameters that are not generated.
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
