"""Which images serve for what, and how a conditioner sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from tina_kit.api import Dataset, Images, TinaKitError, UserError, abridged
from tina_kit.store.files import read_json
from tina_kit.zoo.batches import place_in_class

LEFT_OUT = "left_out.json"  # beside the images, where some cannot be read


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


def images_left_out(entry: Path) -> list[str]:
    """A line for each image that a stage left out because it cannot be read: its name and why."""
    try:
        return list(read_json(entry / LEFT_OUT))
    except FileNotFoundError:
        return []


def check_classes(
    names: Sequence[str], labels: Mapping[str, Tensor], validating: bool, prompts: bool = False
) -> None:
    """Raises UserError naming the classes that have too few images to go on with.

    labels: int64 `(N,)` of the images of "train" and of "test", which are held out of the training
    images where `validating`. prompts: whether training images are prompts, a part of which is
    kept for tests.
    """
    for split, held in labels.items():
        if len(held) and not 0 <= held.min() <= held.max() < len(names):
            raise TinaKitError(
                f"the data set's {split} images have labels from {held.min()} to {held.max()}; of "
                f"{len(names)} classes they must lie in [0, {len(names)})"
            )
    counts = {split: torch.bincount(held, minlength=len(names)) for split, held in labels.items()}
    lacking = {
        split: [name for name, count in zip(names, counted.tolist()) if not count]
        for split, counted in counts.items()
    }
    if lacking["train"] and validating:
        raise UserError(
            f"too few training images of {abridged(lacking['train'], 20)}: with evaluation.on: "
            "validation a fifth of each class is held out, one image at least, and none is left to "
            "learn from. Add images, or leave these classes out"
        )
    told = [f"no {split} images of {abridged(lost, 20)}" for split, lost in lacking.items() if lost]
    if told:
        raise UserError(
            f"the data set has {' and '.join(told)}. Every class needs training and test images: "
            "add some, or leave these classes out"
        )
    alone = [name for name, count in zip(names, counts["train"].tolist()) if count < 2]
    if prompts and alone:
        raise UserError(
            f"one training image alone of {abridged(alone, 20)}: prompts: image needs two of each "
            "class, since one is kept to test with. Add images, or leave these classes out"
        )


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
