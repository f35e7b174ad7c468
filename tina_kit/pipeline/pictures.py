"""Training images for conditioners, and which of them serve as prompts."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from tina_kit.api import Images
from tina_kit.pipeline.stages.images import ImagesStage, held_out
from tina_kit.zoo.batches import place_in_class


def kept_as_prompts(labels: Tensor) -> Tensor:
    """bool `(N,)`: the training images that serve as prompts at test time, a tenth of each class
    and at least one; no encoder and no generator learns from them."""
    return place_in_class(labels) % 10 == 0


class Pictures:
    """Training images as a conditioner sees them: in the size that it takes if their files are
    larger than what p-Models see, else as p-Models see them.

    side: the height and width that the conditioner takes.
    """

    def __init__(self, images: ImagesStage, side: int) -> None:
        self._images = images
        than = images.dataset.larger_than
        self.side = side if than is not None and side > than else None
        """The conditioner's side, if it is larger than that of the p-Models' images."""

    @property
    def labels(self) -> Tensor:
        """int64 `(N,)`."""
        return self._train.labels

    def read(self, index: Tensor) -> Tensor:
        """int64 `(B,)` → uint8 `(B, 3, H, W)`."""
        if self.side is None:
            return self._train.images[index]
        return self._images.dataset.load_larger(self._places[index], self.side)

    @cached_property
    def _train(self) -> Images:
        return self._images.read("train")

    @cached_property
    def _places(self) -> Tensor:
        """int64 `(N,)`: the index of each image among those of `load("train")`."""
        if not self._images.validating:
            return torch.arange(len(self.labels))
        return (~held_out(self._images.dataset.load("train").labels)).nonzero().squeeze(1)
