"""Options of the data sets and task samplers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from tina_kit.api import Aside, ComponentSpec, Nested, Options, TaskOptions, Unit


class ShapesOptions(Options):
    train: Annotated[int, Unit("images per class")] = Field(
        100, ge=1, le=100_000, description="training images per class"
    )
    test: Annotated[int, Unit("images per class")] = Field(
        50, ge=1, le=100_000, description="test images per class"
    )
    size: Annotated[int, Unit("pixels")] = Field(
        32, ge=8, le=4096, description="images are size × size"
    )
    noise: Annotated[float, Unit("share of the pixel range")] = Field(
        0.05, ge=0, description="standard deviation of the noise"
    )
    seed: int = Field(0, ge=0, lt=2**30, description="random seed for drawing the images")


# In no key by itself: the fingerprint says which images are read.
ImagesPerClass = Annotated[
    int | None,
    Unit("images"),
    Aside(),
    Field(
        ge=1,
        description="use only the first N images of each class in each split (default: all), to "
        "try a recipe quickly",
    ),
]


class ImageFilesOptions(Options):
    """Options of every data set of image files."""

    size: Annotated[int, Unit("pixels")] = Field(
        32, ge=8, le=4096, description="images are resized and cropped to size × size"
    )
    test_fraction: Annotated[float, Unit("share of the images")] = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of test images per class, if the files are not split (Section 5.1: 8:2)",
    )
    split_seed: int = Field(
        0, ge=0, lt=2**30, description="random seed of the split, if the files are not split"
    )
    # Not part of keys: the fingerprint depends on which images are read.
    exclude: Annotated[tuple[str, ...], Aside()] = Field(
        (), description="folders to leave out: CLASS, or CLASS/FOLDER for one inside a class folder"
    )
    skip_damaged: Annotated[bool, Aside()] = Field(
        False,
        description="leave out images that cannot be read, and list them in the run folder, "
        "instead of failing",
    )
    images_per_class: ImagesPerClass = None


class Caltech101Options(ImageFilesOptions):
    root: Path | None = Field(
        None, description="folder that contains caltech101/; by default $TINA_KIT_DATA"
    )


class ImageFolderOptions(ImageFilesOptions):
    root: Path = Field(
        description="folder with train/CLASS/ and test/CLASS/ (or val/CLASS/), or just CLASS/; "
        "subfolders of a class folder are read, too"
    )
    names: Path | None = Field(
        None,
        description="a .tsv file of folder and class name, for when folder names are not class "
        "names; a name that contains a comma must be in double quotes",
    )


class MiniImageNetOptions(ImageFilesOptions):
    root: Path | None = Field(
        None,
        description="the folder mini_imagenet/, or the one that contains it; by default "
        "$TINA_KIT_DATA",
    )
    names: Path | None = Field(
        None,
        description="a .tsv file of wnid and names; by default classes.tsv next to the images",
    )


class CifarOptions(Options):
    root: Path | None = Field(
        None, description="folder that contains the archive's folder; by default $TINA_KIT_DATA"
    )
    download: Annotated[bool, Aside()] = Field(
        False, description="download the data set if it is missing"
    )
    verify: Annotated[bool, Aside()] = Field(
        False, description="reject files whose MD5 differs from the published archive's"
    )
    size: Annotated[int, Unit("pixels")] = Field(
        32, ge=8, le=4096, description="images are resized to size × size"
    )
    images_per_class: ImagesPerClass = None


class BalancedPermutationsOptions(TaskOptions):
    pass


class SuperclassMixOptions(TaskOptions):
    ratio: tuple[int, int, int] = Field(
        (3, 2, 1),
        description="ratio of tasks in which all classes have different superclasses, some share "
        "one, or there are only two superclasses",
    )

    @field_validator("ratio")
    @classmethod
    def _some(cls, ratio: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(ratio) < 0 or not any(ratio):
            raise ValueError("shares must not be negative, and at least one must be positive")
        return ratio


class UnseenClassesOptions(TaskOptions):
    beside: ClassVar[Mapping[str, str]] = {"generators": "tina-dit"}

    seen: Annotated[float, Unit("classes, or their share")] = Field(
        0.5, gt=0, description="classes in the first shard: a share below 1, or a number"
    )
    shares: Annotated[tuple[int, ...], Unit("percent of the classes")] = Field(
        (0, 20, 40, 60, 100), description="unseen classes in the tasks of each test split"
    )
    tests: Annotated[int, Unit("tasks")] = Field(
        150, ge=1, le=100_000, description="tasks per test split"
    )
    similarity: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="hashed-ngrams"),
        description="conditioner that embeds the names: similar classes are put into different "
        "shards",
    )
    protocol: Literal["paper", "generic-saw-all"] = Field(
        "paper",
        description="paper: no training uses the second shard, so neither the generic model nor "
        "selection has rows for its classes; generic-saw-all: everything that learns from images "
        "(the generic model, experts, a conditioner) uses all classes, and only the ID and OOD "
        "tasks, and so the p-Models that generators learn from, are restricted to the first shard",
    )

    def without_effect(self) -> Mapping[str, str]:
        return {} if self.shares else {"tests": "shares"}

    @field_validator("seen")
    @classmethod
    def _whole(cls, seen: float) -> float:
        if seen >= 1 and seen != int(seen):
            raise ValueError("a value of 1 or more is a number of classes and must be an integer")
        return seen

    @field_validator("shares")
    @classmethod
    def _different(cls, shares: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(shares)) < len(shares) or not set(shares) <= set(range(101)):
            raise ValueError("must be distinct percentages from 0 to 100")
        return shares
