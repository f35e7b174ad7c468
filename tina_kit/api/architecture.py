"""The contract of p-Model architectures. Shape letters are defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor, nn


class Architecture(Fingerprinted, ABC):
    """A p-Model architecture: which parameters are generated, and how to run many p-Models at once.

    A frozen feature extractor belongs in `inputs`: with `frozen_features` its outputs are computed
    once and stored, and `forward_many` runs only the generated layers.
    """

    frozen_features: bool = False
    """Whether `inputs` runs frozen layers of the network, rather than `normalise` and `arrange`."""

    @abstractmethod
    def build(self, classes: int) -> nn.Module:
        """Return a new module that maps float32 images `(B, 3, H, W)` to logits `(B, classes)`.

        Its parameters include all of `layout(classes)` under the same names. If it is a
        `nn.Sequential` of `Conv2d`, `ReLU`, `AdaptiveAvgPool2d(1)`, `Flatten` and `Linear`, or of
        classes derived from these that compute the same, p-Models can be exported as a page, too.
        """

    def initial(self, classes: int) -> nn.Module:
        """The initial module for training the generic model: `build`'s, unless pretrained."""
        return self.build(classes)

    @abstractmethod
    def layout(self, classes: int) -> Layout:
        """The generated parameters for `classes` classes."""

    @abstractmethod
    def normalise(self, images: Tensor) -> Tensor:
        """uint8 `(..., 3, H, W)` → float32 of the same shape: the input of `build`'s module."""

    def arrange(self, images: Tensor) -> Tensor:
        """Normalised images `(..., 3, H, W)` → the same in the form that `forward_many` computes
        fastest: `(..., D, H', W')`. Both are float32, or bfloat16 under autocast.

        This is done once for each image, while `forward_many` sees an image in many tasks.
        """
        return images

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        """uint8 `(N, 3, H, W)` → float32 `(N, ...)`: the inputs of `forward_many`.

        module: the generic model, on the device of `images`, in eval mode.
        """
        return self.arrange(self.normalise(images))

    @abstractmethod
    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        """Run M p-Models at once: float32 `(M, P)`, `(M, B, ...)` → logits `(M, B, classes)`.

        frozen: the generic model's state dict, on the same device, for the parameters that are not
        generated.
        """
