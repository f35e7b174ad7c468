"""Options of the data sets and task samplers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tina_kit.api import Options, TaskOptions


class ShapesOptions(Options):
    train: int = Field(100, ge=1, description="training images of a class")
    test: int = Field(50, ge=1, description="test images of a class")
    noise: float = Field(0.03, ge=0, description="standard deviation of the pixel noise, of 1")
    seed: int = Field(0, ge=0, description="of the drawing")


class Caltech101Options(Options):
    root: Path | None = Field(
        None, description="folder that holds caltech101/; by default $TINA_KIT_DATA"
    )
    size: int = Field(32, ge=8, description="images are resized and cropped to size × size")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="of each class (Section 5.1: 8:2)")
    split_seed: int = Field(0, ge=0, description="of the split into training and test images")


class ImageFolderOptions(Options):
    root: Path = Field(
        description="holds train/CLASS/ and test/CLASS/ (or val/CLASS/), or just CLASS/"
    )
    size: int = Field(32, ge=8, description="images are resized and cropped to size × size")
    names: Path | None = Field(
        None, description="a .tsv of folder and class names, where folders are no names"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="of each class, where the folder holds no split"
    )
    split_seed: int = Field(0, ge=0, description="of the split, where the folder holds none")


class BalancedPermutationsOptions(TaskOptions):
    pass
