"""Options of the trained methods that Tina is compared with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tina_kit.api import Options, Unit


class _ExpertOptions(Options):
    experts: Annotated[int, Unit("experts")] = Field(
        2,
        ge=2,
        le=10_000,
        description="number of experts, each fine-tuned from the generic model on a contiguous "
        "shard of the classes",
    )
    expert_epochs: Annotated[float, Unit("epochs")] = Field(
        5, gt=0, le=1_000_000, description="passes over a shard's images"
    )


class TaperMixerOptions(_ExpertOptions):
    """The defaults are the paper's where it states them: experts and both numbers of epochs."""

    hidden_size: Annotated[int, Unit("dimensions")] = Field(
        256, ge=1, le=65_536, description="width of the mixer's hidden layer"
    )
    epochs: Annotated[int, Unit("epochs")] = Field(
        5, ge=1, le=1_000_000, description="passes over the ID tasks"
    )
    tasks_per_step: Annotated[int, Unit("tasks")] = Field(
        10, ge=1, le=1_000_000, description="ID tasks per step"
    )
    batch_size: Annotated[int, Unit("images per task")] = Field(
        64, ge=1, le=1_000_000, description="training images of each task per step"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")


class TaperOptions(_ExpertOptions):
    steps: Annotated[int, Unit("steps")] = Field(
        50, ge=1, le=1_000_000_000, description="training steps for each task's mixing weights"
    )
    batch_size: Annotated[int, Unit("images per task")] = Field(
        32, ge=1, le=1_000_000, description="training images of each task per step"
    )
    learning_rate: float = Field(0.1, gt=0, description="peak learning rate")
    shard: Annotated[int, Unit("tasks")] = Field(
        100, ge=1, le=1_000_000, description="ID tasks trained in parallel"
    )


class GenericPlusOptions(Options):
    epochs: Annotated[float | None, Unit("epochs")] = Field(
        None,
        gt=0,
        le=1_000_000,
        description="passes over the training images; by default for as many images as fine-tuning "
        "the ID tasks takes: tasks.id × tasks.classes × finetune.epochs / number of classes. Add "
        "steps × images per step / number of training images for a generator that draws images "
        "itself",
    )


class RetrievalOptions(Options):
    pass


class ClassMeansOptions(Options):
    pass


class RidgeSelectionOptions(Options):
    pass
