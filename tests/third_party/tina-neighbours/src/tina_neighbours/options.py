"""The options of tina-neighbours' parts; nothing here imports torch or pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from tina_kit.api import AtGeneration, Options, Unit


class NearestAverageOptions(Options):
    """Of the generator. Fitting keeps the whole zoo, so neither asks for another fit."""

    k: Annotated[int, AtGeneration()] = Field(
        5, ge=1, description="ID tasks whose p-Models are averaged"
    )
    temperature: Annotated[float | None, AtGeneration()] = Field(
        0.1, gt=0, description="weights are a softmax of cosines over this; null weighs all k alike"
    )


class ParquetOptions(Options):
    """Of the data set."""

    file: Path = Field(
        description="Parquet file of the training images, or of all where there is no `test_file`",
        examples=["train.parquet"],
    )
    test_file: Path | None = Field(None, description="Parquet file of the test images")
    image: str = Field(
        "image", min_length=1, description="column of encoded images: bytes, or a struct with them"
    )
    label: str = Field(
        "label", min_length=1, description="column of class indices or of class names"
    )
    names: tuple[str, ...] | None = Field(
        None,
        min_length=2,
        description="class names in label order; by default those in the file's Hugging Face "
        "metadata, else the labels themselves, sorted, where they are names",
    )
    split: str = Field(
        "split",
        min_length=1,
        description="column that tells training and test images apart, without a `test_file`",
    )
    train: str = Field("train", description="what that column says of training images")
    test: str = Field("test", description="what it says of test images")
    size: Annotated[int, Unit("pixels")] = Field(
        32, ge=8, description="images are resized and cropped to size × size"
    )

    @field_validator("names")
    @classmethod
    def _different(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names and len(set(names)) < len(names):
            raise ValueError("each class name once")
        return names
