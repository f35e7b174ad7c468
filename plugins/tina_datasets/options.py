"""Options of the data sets and task samplers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from tina_kit.api import Aside, ComponentSpec, Nested, Options, TaskOptions, Unit


class ShapesOptions(Options):
    train: Annotated[int, Unit("images per class")] = Field(
        100, ge=1, le=100_000, description="training images of a class"
    )
    test: Annotated[int, Unit("images per class")] = Field(
        50, ge=1, le=100_000, description="test images of a class"
    )
    noise: Annotated[float, Unit("share of the pixel range")] = Field(
        0.03, ge=0, description="standard deviation of the pixel noise, of 1"
    )
    seed: int = Field(0, ge=0, lt=2**30, description="of the drawing")


# In no key by itself: the fingerprint says which images are read.
ImagesPerClass = Annotated[
    int | None,
    Unit("images"),
    Aside(),
    Field(
        ge=1,
        description="use only the first N images of each class in each split (default: "
        "all), to try a recipe quickly",
    ),
]


class ImageFilesOptions(Options):
    """What every data set of image files can be asked."""

    size: Annotated[int, Unit("pixels")] = Field(
        32, ge=8, le=4096, description="images are resized and cropped to size × size"
    )
    test_fraction: Annotated[float, Unit("share of the images")] = Field(
        0.2,
        gt=0,
        lt=1,
        description="of each class, where the files are not split (Section 5.1: 8:2)",
    )
    split_seed: int = Field(
        0, ge=0, lt=2**30, description="of the split, where the files are not split"
    )
    # In no key by themselves: the fingerprint says which images are read.
    exclude: Annotated[tuple[str, ...], Aside()] = Field(
        (), description="folders to leave out: CLASS, or CLASS/FOLDER for a folder below a class's"
    )
    skip_damaged: Annotated[bool, Aside()] = Field(
        False,
        description="leave out images that cannot be read, and count them in the run folder, "
        "instead of refusing them",
    )
    images_per_class: ImagesPerClass = None


class Caltech101Options(ImageFilesOptions):
    root: Path | None = Field(
        None, description="folder that holds caltech101/; by default $TINA_KIT_DATA"
    )


class ImageFolderOptions(ImageFilesOptions):
    root: Path = Field(
        description="holds train/CLASS/ and test/CLASS/ (or val/CLASS/), or just CLASS/; folders "
        "below a class's are read too"
    )
    names: Path | None = Field(
        None,
        description="a .tsv of folder and class name, when folder names are not class names; a "
        "name with a comma stands in double quotes",
    )


class MiniImageNetOptions(ImageFilesOptions):
    root: Path | None = Field(
        None, description="folder that holds mini_imagenet/, or that one; by default $TINA_KIT_DATA"
    )
    names: Path | None = Field(
        None, description="a table of wnid, tab, names; by default classes.tsv beside the images"
    )


class CifarOptions(Options):
    root: Path | None = Field(
        None, description="folder that holds the archive's folder; by default $TINA_KIT_DATA"
    )
    download: Annotated[bool, Aside()] = Field(
        False, description="fetch what is missing, as torchvision does"
    )
    verify: Annotated[bool, Aside()] = Field(
        False, description="refuse files whose md5 is not that of the published archive"
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
        description="of tasks whose superclasses are all different, shared by some classes, and "
        "just two",
    )

    @field_validator("ratio")
    @classmethod
    def _some(cls, ratio: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(ratio) < 0 or not any(ratio):
            raise ValueError("no share may be below 0, and one at least must be above")
        return ratio


class UnseenClassesOptions(TaskOptions):
    beside: ClassVar[Mapping[str, str]] = {"generators": "tina-dit"}

    seen: Annotated[float, Unit("classes, or their share")] = Field(
        0.5, gt=0, description="classes of the first shard: a share below 1, or how many"
    )
    shares: Annotated[tuple[int, ...], Unit("percent of the classes")] = Field(
        (0, 20, 40, 60, 100), description="percent of unseen classes in the tasks of a test split"
    )
    tests: Annotated[int, Unit("tasks")] = Field(
        150, ge=1, le=100_000, description="tasks of each test split"
    )
    similarity: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="hashed-ngrams"),
        description="embeds the names: similar classes go to different shards",
    )
    protocol: Literal["paper", "generic-saw-all"] = Field(
        "paper",
        description="paper: nothing trained sees the second shard, so that no generic model and "
        "no selection has a row for its classes; generic-saw-all: all that learns from images (the "
        "generic model, experts, a conditioner) learns all classes, and only ID and OOD tasks, and "
        "so the p-Models that generators learn from, are kept to the first shard",
    )

    def without_effect(self) -> Mapping[str, str]:
        return {} if self.shares else {"tests": "shares"}

    @field_validator("seen")
    @classmethod
    def _whole(cls, seen: float) -> float:
        if seen >= 1 and seen != int(seen):
            raise ValueError("from 1 on it counts classes, so it must be whole")
        return seen

    @field_validator("shares")
    @classmethod
    def _different(cls, shares: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(shares)) < len(shares) or not set(shares) <= set(range(101)):
            raise ValueError("percentages from 0 to 100, each named once")
        return shares
