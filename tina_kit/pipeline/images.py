"""Which images serve for what, and how a conditioner sees them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from tina_kit.api import Dataset, Images
from tina_kit.zoo.batches import place_in_class


def kept_as_prompts(labels: Tensor) -> Tensor:
    """bool `(N,)`: the training images, a tenth of each class and one at least, that serve as
    prompts at test time; no encoder and no generator learns from them."""
    return place_in_class(labels) % 10 == 0


def held_out(labels: Tensor) -> Tensor:
    """bool `(N,)`: the training images that serve as test images of a validation, every fifth of
    each class."""
    return place_in_class(labels) % 5 == 0


def hold_out(images: Images) -> tuple[Images, Images]:
    """Training and validation images."""
    held = held_out(images.labels)
    train, validation = (Images(images.images[part], images.labels[part]) for part in (~held, held))
    return train, validation


class Pictures:
    """A run's training images for a conditioner: as large as it takes them where their files are
    larger than what p-Models see, else what p-Models see.

    train: reads the images that p-Models see; validating: whether those that are held out are not
    among them; side: what the conditioner takes.
    """

    def __init__(
        self, dataset: Dataset, train: Callable[[], Images], validating: bool, side: int
    ) -> None:
        self._dataset, self._read, self._validating = dataset, train, validating
        than = dataset.larger_than
        self.side = side if than is not None and side > than else None
        """The conditioner's, where it sees more than p-Models do."""

    @property
    def labels(self) -> Tensor:
        """int64 `(N,)`."""
        return self._train.labels

    def read(self, index: Tensor) -> Tensor:
        """int64 `(B,)` → uint8 `(B, 3, H, W)`."""
        if self.side is None:
            return self._train.images[index]
        return self._dataset.load_larger(self._places[index], self.side)

    @cached_property
    def _train(self) -> Images:
        return self._read()

    @cached_property
    def _places(self) -> Tensor:
        """int64 `(N,)`: where each image stands among those of `load("train")`."""
        if not self._validating:
            return torch.arange(len(self.labels))
        return (~held_out(self._dataset.load("train").labels)).nonzero().squeeze(1)
