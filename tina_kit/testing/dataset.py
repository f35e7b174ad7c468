"""Conformance of data sets."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from tina_kit.api import Dataset, Images, Split, UserError, name_index
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite

SPLITS: tuple[Split, ...] = ("train", "test")


class DatasetSuite(ComponentSuite):
    """Checks of a data set. Its images are loaded a few times: let `use` make it small."""

    kind = "dataset"
    contract: ClassVar[type] = Dataset

    def read(self, component: Any) -> None:
        super().read(component)
        list(component.class_names)
        component.load("train")

    def images(self, split: Split) -> Images:
        """One split, loaded once for all checks."""
        images: Images = self.kept(split, lambda: self.shared.load(split))
        return images

    def test_class_names_are_distinct_texts(self) -> None:
        names = list(self.shared.class_names)
        assert len(names) > 1, f"there are {len(names)} classes; a task needs two at least"
        try:
            name_index(names)
        except UserError as error:
            raise AssertionError(
                f"class_names: {error}. A class name is a text, its prompt; two classes of one "
                "name would have one prompt"
            ) from None

    def test_superclasses_are_one_for_each_class(self) -> None:
        superclasses = self.shared.superclasses
        if superclasses is None:
            return
        count = len(self.shared.class_names)
        assert len(superclasses) == count and all(type(s) is int for s in superclasses), (
            f"superclasses holds {len(superclasses)} entries for {count} classes; it must be None "
            "or one int for each class"
        )

    def test_images_are_bytes_and_labels_whole_numbers(self) -> None:
        for split in SPLITS:
            loaded = self.images(split)
            expect.tensor(f"{split} images", loaded.images, torch.uint8, None, 3, None, None)
            expect.tensor(f"{split} labels", loaded.labels, torch.int64, len(loaded.images))
            assert loaded.images.device.type == loaded.labels.device.type == "cpu", (
                f"{split} lies on {loaded.images.device}; images are kept on the CPU"
            )

    def test_labels_are_indices_of_classes(self) -> None:
        count = len(self.shared.class_names)
        for split in SPLITS:
            labels = self.images(split).labels
            low, high = int(labels.min()), int(labels.max())
            assert low >= 0 and high < count, (
                f"labels of {split} go from {low} to {high}; with {count} classes they must lie in "
                f"[0, {count})"
            )

    def test_every_class_has_images_in_both_splits(self) -> None:
        names = self.shared.class_names
        for split in SPLITS:
            counts = torch.bincount(self.images(split).labels, minlength=len(names))
            empty = [name for name, count in zip(names, counts.tolist()) if not count]
            assert not empty, (
                f"{split} holds no image of {', '.join(empty)}; no p-Model can be fine-tuned or "
                "tested on a class without images"
            )

    def test_images_differ_within_a_split(self) -> None:
        for split in SPLITS:
            images = self.images(split).images
            assert len(images) == 1 or (images != images[:1]).any(), (
                f"all images of {split} are the same; each must be decoded for itself"
            )

    def test_test_images_are_not_training_images(self) -> None:
        train, test = (
            {hash(image.numpy().tobytes()) for image in self.images(s).images} for s in SPLITS
        )
        assert test - train, (
            "every test image is a training image too; p-Acc is measured on images that nothing "
            "was trained on"
        )

    def test_loading_again_gives_the_same(self) -> None:
        for split in SPLITS:
            first = self.images(split)
            with expect.global_seed(1):
                again = self.component().load(split)
            message = (
                f"{split} of an equal component has other %s; the same options and files must give "
                "the same data, whatever was drawn before"
            )
            expect.equal(message % "images", first.images, again.images)
            expect.equal(message % "labels", first.labels, again.labels)

    def test_larger_images_are_the_same_ones(self) -> None:
        than = self.shared.larger_than
        if than is None:
            return
        small = self.images("train").images
        assert small.shape[2:] == (than, than), (
            f"larger_than is {than}, but load gives images of {tuple(small.shape[2:])}; it is the "
            "side of those, beyond which load_larger is asked"
        )
        index = torch.tensor([len(small) - 1, 0])
        larger = self.shared.load_larger(index, 2 * than)
        expect.tensor("larger images", larger, torch.uint8, 2, 3, 2 * than, 2 * than)
        first, second = (
            F.adaptive_avg_pool2d(images.float(), 4).flatten(1) for images in (larger, small[index])
        )
        apart = torch.cdist(first, second)
        assert (apart.diag() <= apart.flip(1).diag()).all(), (
            "load_larger gives other images than load; it takes their places in load('train')"
        )

    def test_loading_leaves_global_randomness_alone(self) -> None:
        component = self.component()
        with expect.undisturbed("load"):
            component.load("train")
