"""A recipe's own options; those of components are defined by the components."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tina_kit.api.options import Added, Aside, Options, TrainingOptions, Unit

Precision = Literal["auto", "fp32", "bf16"]
Augment = Literal["none", "flip", "crop-flip"]
SLOTS = {
    "dataset": "dataset",
    "tasks": "task-sampler",
    "architecture": "architecture",
    "conditioner": "conditioner",
}
"""Keys of a recipe that hold one component, with their kinds."""
LISTS = {"generators": "generator", "studies": "study"}
REQUIRED = ("dataset", "architecture", "conditioner", "generators")
"""Keys that a recipe must have."""


LONGEST_NAME = 100
"""Maximum length in bytes, so that folders and files can be named after it."""
_NAME = r"^[\w.+-]+$"


def unfit_as_name(name: str) -> str:
    """Why a name cannot be a folder's name on every system; "" if it can."""
    if len(name.encode("utf-8", "replace")) > LONGEST_NAME:
        return f"a name must not exceed {LONGEST_NAME} bytes"
    if not name.strip(". "):
        return "a name must contain a letter or a digit"
    if not name.isprintable() or set(name) & {"/", "\\"}:
        return "a name must not contain slashes, backslashes or control characters"
    return ""


Seed = Annotated[int, Field(ge=0, lt=2**30)]


class GenericOptions(TrainingOptions):
    """Options of the generic model, the classifier over all classes (stage 1)."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        50, gt=0, le=1_000_000, description="passes over the training images"
    )
    augment: Augment = Field(
        "none",
        description="flip: random horizontal flips; crop-flip: random crops too, as usual for "
        "CIFAR",
    )
    accumulate: Annotated[int, Unit("parts"), Added()] = Field(
        1,
        ge=1,
        le=1_000_000,
        description="parts that a batch is divided into, whose gradients are summed, so that less "
        "memory is needed; not for architectures with batch norm",
    )


class FinetuneOptions(TrainingOptions):
    """Options of fine-tuning p-Models (stage 2). All tasks take as many steps as an average task,
    so that p-Models are trained in parallel."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        10, gt=0, le=1_000_000, description="passes over the training images of an average task"
    )
    augment: Annotated[Literal["none", "flip"], Added()] = Field(
        "none",
        description="flip: horizontal flips of half of the images; not for p-Models that read "
        "features",
    )
    shard: Annotated[int, Unit("p-Models"), Aside()] = Field(
        50, gt=0, le=1_000_000, description="p-Models that are fine-tuned and stored together"
    )


Average = Literal["images", "classes"]
CHANCE, LARGEST = "chance", "largest class"
"""Table rows with the p-Acc of guessing."""


class EvaluationOptions(Options):
    """Options of evaluation, which always uses the whole test split."""

    on: Literal["test", "validation"] = Field(
        "test",
        description="use validation to choose options: a fifth of the training images replaces "
        "the test images, which are not read, and different tasks are drawn",
    )
    average: Average = Field(
        "images",
        description="how a task's p-Acc is averaged: over its images, or first within each class, "
        "so that guessing the largest class does not help",
    )
    id_tasks: Annotated[int, Unit("tasks")] = Field(
        150, ge=0, le=1_000_000, description="evaluate only the first N ID tasks"
    )
    batch_size: Annotated[int, Unit("images")] = Field(
        256, gt=0, le=1_000_000, description="images per p-Model and batch"
    )
    curve: Annotated[int, Unit("measurements"), Aside()] = Field(
        0,
        ge=0,
        le=100,
        description="with on: validation, how often during a training the p-Acc of its generator "
        "on the first OOD tasks goes to metrics.csv; of the generic model, its accuracy on all "
        "classes",
    )
    rejection: Annotated[float | None, Unit("percent")] = Field(
        None,
        gt=0,
        lt=100,
        description="set a threshold below which p-Models can answer 'none of these', so that they "
        "reject this share of the ID tasks' training images in vain",
    )

    def without_effect(self) -> Mapping[str, str]:
        """A run on test images looks at them once, when nothing is left to be learned."""
        return {} if self.on == "validation" else {"curve": "on"}


StageKind = Literal[
    "images", "conditioner", "conditions", "generic", "features", "zoo", "fit", "rejection",
    "evaluate",
]  # fmt: skip


class StageResources(Options):
    """What a stage takes of a Ray cluster, which starts it where so much is free. Results do not
    depend on it."""

    cpus: Annotated[int | None, Unit("CPUs")] = Field(
        None, ge=1, description="by default OMP_NUM_THREADS, the threads that it has in any case"
    )
    gpus: Annotated[float | None, Unit("GPUs")] = Field(
        None, ge=0, description="0.5: two stages share one; by default 1 if the run is on GPUs"
    )
    memory: Annotated[float | None, Unit("GB")] = Field(
        None, gt=0, description="main memory; by default it is not counted"
    )

    @field_validator("gpus")
    @classmethod
    def _whole_from_one_on(cls, gpus: float | None) -> float | None:
        if gpus is not None and gpus > 1 and not gpus.is_integer():
            raise ValueError("give a share of one GPU, like 0.5, or a whole number")
        return gpus


class CoreOptions(Options):
    """The keys of a recipe that hold no component."""

    name: str = Field(min_length=1, pattern=_NAME, description="name of the run folder")
    description: str = Field("", description="one line, for `tina-kit recipes`")
    time: str = Field("", description="how long a run takes, for `tina-kit recipes`")
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    precision: Precision = "auto"
    zoo: Path | None = Field(
        None,
        description="folder of a zoo (`tina-kit zoo`): use its tasks and p-Models as the ID tasks "
        "and their p-Models instead of drawing and fine-tuning them; tasks.id is then ignored",
    )
    generic: GenericOptions = GenericOptions()
    finetune: FinetuneOptions = FinetuneOptions()
    evaluation: EvaluationOptions = EvaluationOptions()
    resources: dict[StageKind, StageResources] = Field(
        {}, description="with --on ray, what stages of each kind take of the cluster"
    )

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
            raise ValueError("duplicate seed")
        return seeds
