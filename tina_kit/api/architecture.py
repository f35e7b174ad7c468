"""What a p-Model architecture promises. Shapes are named as in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor, nn


class Architecture(Fingerprinted, ABC):
    """A p-Model architecture: what is generated, and how many p-Models run at once.

    `inputs` is where a frozen feature extractor belongs: with `frozen_features` its results are
    computed once and kept, and `forward_many` runs only what is generated.
    """

    frozen_features: bool = False
    """Whether `inputs` runs a part of the network and not just `normalise`."""

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """A fresh module: float32 images `(B, 3, H, W)` → logits `(B, classes)`.

        Its parameters include every one of `layout(classes)` under the same name.
        """

    def initial(self, classes: int) -> nn.Module:
        """The module that the generic model's training starts from; `build` unless pretrained."""
        return self.build(classes)

    @abstractmethod
    def layout(self, classes: int) -> Layout:
        """The generated parameters for `classes` classes."""

    @abstractmethod
    def normalise(self, images: Tensor) -> Tensor:
        """uint8 `(..., 3, H, W)` → float32 of the same shape, as `build`'s module takes them."""

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, ...)`, what `forward_many` takes.

        module: the generic model, on the device of `images`, in eval mode.
        """
        return self.normalise(images)

    @abstractmethod
    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        """M p-Models at once: float32 `(M, P)`, `(M, B, ...)` → logits `(M, B, classes)`.

        frozen: the generic model's state, on the same device, for parameters that are not
        generated.
        """
