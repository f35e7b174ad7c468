"""The recipe's own settings; the settings of components are the components' own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tina_kit.api.options import Options, TrainingOptions, Unit

Precision = Literal["auto", "fp32", "bf16"]
SLOTS = {
    "dataset": "dataset",
    "tasks": "task-sampler",
    "architecture": "architecture",
    "conditioner": "conditioner",
}
"""The single parts of a recipe and their kinds."""
LISTS = {"generators": "generator", "studies": "study"}
REQUIRED = ("dataset", "architecture", "conditioner", "generators")
"""What a recipe must name."""


LONGEST_NAME = 100
"""Bytes, so that folders and files may be named after it."""
_NAME = r"^[\w.+-]+$"


def unfit_as_name(name: str) -> str:
    """Why no folder can be named so on every system, in words; "" where one can."""
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        return f"a name has at most {LONGEST_NAME} bytes"
    if not name.strip(". "):
        return "a name needs a letter or a digit"
    if not name.isprintable() or set(name) & {"/", "\\"}:
        return "a name must not contain slashes, backslashes or control characters"
    return ""


Seed = Annotated[int, Field(ge=0, lt=2**30)]


class GenericOptions(TrainingOptions):
    """Stage 1: the classifier over all classes."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        50, gt=0, le=1_000_000, description="passes over the training images"
    )
    augment: Literal["none", "crop-flip"] = Field(
        "none", description="crop-flip: random shifts and mirroring, as usual for CIFAR"
    )


class FinetuneOptions(TrainingOptions):
    """Stage 2: the p-Models. All tasks take the same number of steps, those of an average task,
    so that p-Models train side by side."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        10, gt=0, le=1_000_000, description="passes over an average task's training images"
    )
    shard: Annotated[int, Unit("p-Models")] = Field(
        50, gt=0, le=1_000_000, description="p-Models that are fine-tuned and stored together"
    )


Average = Literal["images", "classes"]
CHANCE, LARGEST = "chance", "largest class"
"""Rows of the table that tell what guessing reaches."""


class EvaluationOptions(Options):
    """What the table is measured on. The test split is always used whole."""

    on: Literal["test", "validation"] = Field(
        "test",
        description="validation: for choosing options. A fifth of the training images stands in "
        "for the test images, which are not read, and different tasks are drawn",
    )
    average: Average = Field(
        "images",
        description="how a task's p-Acc is averaged: over its images, or over its classes, which "
        "does not reward guessing the largest class",
    )
    id_tasks: Annotated[int, Unit("tasks")] = Field(
        150, ge=0, le=1_000_000, description="evaluate only the first N ID tasks"
    )
    batch_size: Annotated[int, Unit("images")] = Field(
        256, gt=0, le=1_000_000, description="images per batch and p-Model"
    )


class CoreOptions(Options):
    """The keys of a recipe that hold no component."""

    name: str = Field(min_length=1, pattern=_NAME, description="name of the run folder")
    description: str = Field("", description="one line for `tina-kit recipes`")
    time: str = Field("", description="duration of a run, for `tina-kit recipes`")
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    precision: Precision = "auto"
    zoo: Path | None = Field(
        None,
        description="folder of a zoo (`tina-kit zoo`) whose tasks and p-Models are used instead "
        "of drawing and fine-tuning ID tasks; tasks.id then has no effect",
    )
    generic: GenericOptions = GenericOptions()
    finetune: FinetuneOptions = FinetuneOptions()
    evaluation: EvaluationOptions = EvaluationOptions()

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if wrong := unfit_as_name(name):
            raise ValueError(wrong)
        return name

    @field_validator("seeds")
    @classmethod
    def _each_seed_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands here twice")
        return seeds
