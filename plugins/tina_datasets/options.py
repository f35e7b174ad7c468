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
    noise: Annotated[float, Unit("share of the pixel range")] = Field(
        0.03, ge=0, description="standard deviation of the pixel noise, for pixels in [0, 1]"
    )
    seed: int = Field(0, ge=0, lt=2**30, description="random seed for drawing the images")


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
        description="share of each class's images used for testing, if the files are not already "
        "split (Section 5.1: 8:2)",
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**30,
        description="random seed of the split, if the files are not already split",
    )
    # In no key by themselves: the fingerprint says which images are read.
    exclude: Annotated[tuple[str, ...], Aside()] = Field(
        (),
        description="folders to leave out: CLASS, or CLASS/FOLDER for a folder inside a class "
        "folder",
    )
    skip_damaged: Annotated[bool, Aside()] = Field(
        False,
        description="leave out images that cannot be read and list them in the run folder, "
        "instead of reporting an error",
    )
    images_per_class: ImagesPerClass = None


class Caltech101Options(ImageFilesOptions):
    root: Path | None = Field(
        None, description="folder that contains caltech101/ (default: $TINA_KIT_DATA)"
    )


class ImageFolderOptions(ImageFilesOptions):
    root: Path = Field(
        description="folder that contains train/CLASS/ and test/CLASS/ (or val/CLASS/), or just "
        "CLASS/; folders inside a class folder are read too"
    )
    names: Path | None = Field(
        None,
        description=".tsv file of folder and class name, if folder names are not class names; a "
        "name with a comma needs double quotes",
    )


class MiniImageNetOptions(ImageFilesOptions):
    root: Path | None = Field(
        None,
        description="the folder mini_imagenet/ or the one that contains it (default: "
        "$TINA_KIT_DATA)",
    )
    names: Path | None = Field(
        None, description="table of wnid, tab, names (default: classes.tsv beside the images)"
    )


class CifarOptions(Options):
    root: Path | None = Field(
        None, description="folder that contains the unpacked archive (default: $TINA_KIT_DATA)"
    )
    download: Annotated[bool, Aside()] = Field(
        False, description="download missing files, as torchvision does"
    )
    verify: Annotated[bool, Aside()] = Field(
        False, description="check each file's MD5 against that of the published archive"
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
        description="ratio of tasks whose classes all have different superclasses, tasks in which"
        " some classes share one, and tasks with just two superclasses",
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
        0.5, gt=0, description="classes in the first shard: a share below 1, or a number of classes"
    )
    shares: Annotated[tuple[int, ...], Unit("percent of the classes")] = Field(
        (0, 20, 40, 60, 100),
        description="percentage of unseen classes in the tasks of each test split",
    )
    tests: Annotated[int, Unit("tasks")] = Field(
        150, ge=1, le=100_000, description="tasks in each test split"
    )
    similarity: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="hashed-ngrams"),
        description="conditioner that embeds the names, so that similar classes go to different "
        "shards",
    )
    protocol: Literal["paper", "generic-saw-all"] = Field(
        "paper",
        description="paper: nothing that is trained sees the second shard, so neither the generic"
        " model nor selection has a row for its classes; generic-saw-all: whatever "
        "learns from images (the generic model, experts, a conditioner) learns all "
        "classes, and only ID and OOD tasks, and so the p-Models that generators "
        "learn from, are limited to the first shard",
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
