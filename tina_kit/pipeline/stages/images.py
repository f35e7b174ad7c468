"""Images: both splits of the data set, decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from tina_kit.api import Dataset, Images, Split, TinaKitError, UserError, abridged
from tina_kit.pipeline.runtime import Runtime
from tina_kit.pipeline.stage import Stage
from tina_kit.recipe import ResolvedComponent
from tina_kit.store import Draft
from tina_kit.store.files import read_json
from tina_kit.training import counting
from tina_kit.zoo.batches import place_in_class

SPLITS: tuple[Split, ...] = ("train", "test")
_FILE = "images.safetensors"
_LEFT_OUT = "left_out.json"  # beside the images, if some cannot be read


class ImagesStage(Stage):
    """validating: a fifth of the training images stands in for the test images, which are not
    read."""

    kind = "images"

    def __init__(self, runtime: Runtime, component: ResolvedComponent, validating: bool) -> None:
        super().__init__(runtime, "images")
        self.component = component
        self.validating = validating

    @cached_property
    def dataset(self) -> Dataset:
        return self.component.build()  # type: ignore[no-any-return]

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        return self.component.settings() | ({"on": "validation"} if self.validating else {})

    @property
    def after(self) -> Sequence[Stage]:
        return ()

    def compute(self, draft: Draft) -> None:
        with counting(self.runtime.observer, self.name, 2) as advance:
            train = self.dataset.load("train")
            left_out = list(train.left_out)
            advance(1)
            if self.validating:
                train, test = hold_out(train)
            else:
                test = self.dataset.load("test")
                left_out += test.left_out
            advance(1)
        labels: dict[Split, Tensor] = {"train": train.labels, "test": test.labels}
        check_classes(self.dataset.class_names, labels, self.validating)
        if left_out:
            draft.save_json(_LEFT_OUT, left_out)
        tensors = {}
        for split, images in zip(SPLITS, (train, test)):
            tensors[f"{split}.images"] = images.images
            tensors[f"{split}.labels"] = images.labels
        draft.save_tensors(_FILE, tensors)

    def read(self, split: Split) -> Images:
        tensors = self.entry.tensors(_FILE)
        return Images(tensors[f"{split}.images"], tensors[f"{split}.labels"])

    def left_out(self) -> list[str]:
        """A line for each image that was left out because it cannot be read: its name and why."""
        try:
            return list(read_json(self.entry.folder / _LEFT_OUT))
        except FileNotFoundError:
            return []

    def check(self, class_names: Sequence[str], prompts: bool) -> None:
        """Raises UserError naming the classes with too few images; see `check_classes`."""
        labels = {split: self.read(split).labels for split in SPLITS}
        check_classes(class_names, labels, self.validating, prompts)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), read from the file's header alone."""
        height, width = self.runtime.store.shape(self.kind, self.key, _FILE, "test.images")[-2:]
        return height, width


def held_out(labels: Tensor) -> Tensor:
    """bool `(N,)`: the training images that stand in for test images when validating, every fifth
    of each class."""
    return place_in_class(labels) % 5 == 0


def hold_out(images: Images) -> tuple[Images, Images]:
    """Training and validation images."""
    held = held_out(images.labels)
    train, validation = (Images(images.images[part], images.labels[part]) for part in (~held, held))
    return train, validation


def of_classes(images: Images, classes: Tensor, count: int) -> Images:
    """The images of some classes, labelled by their index in `classes`.

    classes: int64 `(K',)`; count: K, the number of classes that labels may have.
    """
    place = torch.full((count,), -1)
    place[classes] = torch.arange(len(classes))
    keep = place[images.labels] >= 0
    if keep.all():
        return Images(images.images, place[images.labels])
    return Images(images.images[keep], place[images.labels[keep]])


def check_classes(
    names: Sequence[str], labels: Mapping[Split, Tensor], validating: bool, prompts: bool = False
) -> None:
    """Raises UserError naming the classes that have too few images.

    labels: int64 `(N,)` of the "train" and "test" images; if `validating`, the latter are held out
    of the training images. prompts: whether training images are prompts, some of which are kept for
    tests.
    """
    for split, held in labels.items():
        if len(held) and not 0 <= held.min() <= held.max() < len(names):
            raise TinaKitError(
                f"the data set's {split} images have labels from {held.min()} to {held.max()}; of "
                f"{len(names)} classes they must be in [0, {len(names)})"
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
    gaps = [f"no {split} images of {abridged(lost, 20)}" for split, lost in lacking.items() if lost]
    if gaps:
        raise UserError(
            f"the data set has {' and '.join(gaps)}. Every class needs training and test images: "
            "add some, or leave these classes out"
        )
    alone = [name for name, count in zip(names, counts["train"].tolist()) if count < 2]
    if prompts and alone:
        raise UserError(
            f"one training image alone of {abridged(alone, 20)}: prompts: image needs two of each "
            "class, since one is kept to test with. Add images, or leave these classes out"
        )
