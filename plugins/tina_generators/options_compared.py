"""Options of the methods that Tina is compared with and that learn."""

from __future__ import annotations

from pydantic import Field

from tina_kit.api import Options


class _ExpertOptions(Options):
    experts: int = Field(
        2,
        ge=2,
        le=10_000,
        description="fine-tuned from the generic model, each on its shard of the classes; a shard "
        "is a run of them in the data set's order",
        json_schema_extra={"unit": "experts"},
    )
    expert_epochs: float = Field(
        5,
        gt=0,
        le=1_000_000,
        description="passes over a shard's images",
        json_schema_extra={"unit": "epochs"},
    )


class TaperMixerOptions(_ExpertOptions):
    """The defaults are the paper's where it gives them: experts and both numbers of epochs."""

    hidden_size: int = Field(
        256,
        ge=1,
        le=65_536,
        description="width of the mixer's one hidden layer",
        json_schema_extra={"unit": "dimensions"},
    )
    epochs: int = Field(
        5,
        ge=1,
        le=1_000_000,
        description="passes over the ID tasks",
        json_schema_extra={"unit": "epochs"},
    )
    tasks_per_step: int = Field(
        10,
        ge=1,
        le=1_000_000,
        description="ID tasks in a step",
        json_schema_extra={"unit": "tasks"},
    )
    batch_size: int = Field(
        64,
        ge=1,
        le=1_000_000,
        description="training images of each of them",
        json_schema_extra={"unit": "images per task"},
    )
    learning_rate: float = Field(1e-3, gt=0, description="at its peak")


class TaperOptions(_ExpertOptions):
    steps: int = Field(
        50,
        ge=1,
        le=1_000_000_000,
        description="training steps of each task's mixing weights",
        json_schema_extra={"unit": "steps"},
    )
    batch_size: int = Field(
        32,
        ge=1,
        le=1_000_000,
        description="training images of a task in a step",
        json_schema_extra={"unit": "images per task"},
    )
    learning_rate: float = Field(0.1, gt=0, description="at its peak")
    shard: int = Field(
        100,
        ge=1,
        le=1_000_000,
        description="ID tasks that learn side by side",
        json_schema_extra={"unit": "tasks"},
    )


class RetrievalOptions(Options):
    pass


class ClassMeansOptions(Options):
    pass
