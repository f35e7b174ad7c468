"""Images: both splits of the data set, decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import Dataset, Images, Split
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import ResolvedPart
from tina_kit.store import Draft
from tina_kit.training import counting
from tina_kit.zoo.batches import place_in_class

SPLITS: tuple[Split, ...] = ("train", "test")
_FILE = "images.safetensors"


class ImagesStage(Stage):
    """validating: a fifth of the training images stands in for the test images, which are not
    read."""

    kind = "images"

    def __init__(self, runtime: Runtime, part: ResolvedPart, validating: bool) -> None:
        super().__init__(runtime, "images")
        self.part = part
        self.validating = validating

    @cached_property
    def dataset(self) -> Dataset:
        return self.part.build()  # type: ignore[no-any-return]

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return self.part.settings() | ({"on": "validation"} if self.validating else {})

    @property
    def after(self) -> Sequence[Stage]:
        return ()

    def compute(self, draft: Draft) -> None:
        with counting(self.runtime.observer, self.name, 2) as advance:
            train = self.dataset.load("train")
            advance(1)
            if self.validating:
                train, test = hold_out(train)
            else:
                test = self.dataset.load("test")
            advance(1)
        tensors = {}
        for split, images in zip(SPLITS, (train, test)):
            tensors[f"{split}.images"] = images.images
            tensors[f"{split}.labels"] = images.labels
        draft.save_tensors(_FILE, tensors)

    def read(self, split: Split) -> Images:
        tensors = self.entry.tensors(_FILE)
        return Images(tensors[f"{split}.images"], tensors[f"{split}.labels"])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), from the file's header: nothing else of it is read or verified."""
        height, width = self.runtime.store.shape(self.kind, self.key, _FILE, "test.images")[-2:]
        return height, width


def held_out(labels: Tensor) -> Tensor:
    """bool `(N,)`: the training images that serve as test images of a validation, every fifth of
    each class."""
    return place_in_class(labels) % 5 == 0


def hold_out(images: Images) -> tuple[Images, Images]:
    """Training and validation images."""
    held = held_out(images.labels)
    train, validation = (Images(images.images[part], images.labels[part]) for part in (~held, held))
    return train, validation


def of_classes(images: Images, classes: Tensor, count: int) -> Images:
    """The images of some classes, labelled by their place in `classes`.

    classes: int64 `(K',)`; count: K, the number of classes that labels may have.
    """
    place = torch.full((count,), -1)
    place[classes] = torch.arange(len(classes))
    keep = place[images.labels] >= 0
    if keep.all():
        return Images(images.images, place[images.labels])
    return Images(images.images[keep], place[images.labels[keep]])
