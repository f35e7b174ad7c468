"""Options of the generators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tina_kit.api import AtGeneration, ComponentSpec, Nested, Options, Row, Unit


class GenericOptions(Options):
    pass


class ClassifierSelectionOptions(Options):
    others: Literal["drop", "zero"] = Field(
        "drop",
        description="rows of the other classes: dropped, so that they cannot be answered, or "
        "zeroed, as in the paper, where their logit of 0 can win",
    )


class OracleOptions(Options):
    pass


class TransformerOptions(Options):
    """What Tina and its relatives share. The defaults are the paper's (Section 5.1 and its
    appendix), the `examples` those of a small one, which learns in minutes."""

    hidden_size: Annotated[int, Unit("dimensions")] = Field(
        2048, ge=1, le=65_536, examples=[128], description="width of the transformer"
    )
    depth: Annotated[int, Unit("blocks")] = Field(
        12, ge=1, le=1000, examples=[3], description="transformer blocks"
    )
    heads: Annotated[int, Unit("heads")] = Field(
        16, ge=1, le=65_536, examples=[4], description="attention heads; must divide hidden_size"
    )
    tokenizer: Annotated[ComponentSpec, Nested("tokenizer")] = Field(
        ComponentSpec(use="layer-chunks"), description="cuts parameter vectors into tokens"
    )
    augmentations: Annotated[tuple[ComponentSpec, ...], Nested("augmentation")] = Field(
        (ComponentSpec(use="classifier-permutation"),),
        description="of each pair, afresh in each step",
    )
    normalisation: Literal["mean-layer-scale", "global-scale"] = Field(
        "mean-layer-scale",
        description="of parameter vectors: subtract the zoo's mean and divide by each layer's "
        "scale, or divide by one scale, as G.pt does",
    )
    row_weight: float = Field(
        1.0,
        gt=0,
        description="of the classes' entries in the loss, where the others weigh 1: rows differ "
        "more between classes than between tasks, and only the latter is the p-Model's own. Where "
        "all entries are a class's it changes nothing",
    )
    prompts: Literal["text", "image"] = Field(
        "text", description="trained on class names, or on random training images of each class"
    )
    merge: Literal["none", "mean"] = Field(
        "none", description="mean: every class is told the mean of the task's prompts (Table 3)"
    )
    tasks: Annotated[int | None, Unit("tasks")] = Field(
        None,
        ge=1,
        le=1_000_000,
        description="only the zoo's first so many ID tasks; all of them by default",
    )
    inherit: Annotated[str | None, Row("generator")] = Field(
        None, description="another Tina of the recipe to start from, of any size (Section 4.4)"
    )
    inherit_file: Path | None = Field(
        None, description="a checkpoint of G.pt or GPT-2 to start from (Section 4.4)"
    )
    inherit_heads: Annotated[int, Unit("heads")] = Field(
        16,
        ge=1,
        le=65_536,
        description="attention heads of inherit_file, which does not tell; G.pt's are 16",
    )

    steps: Annotated[int, Unit("steps")] = Field(
        100_000, ge=1, le=1_000_000_000, examples=[600], description="training steps"
    )
    batch_size: Annotated[int, Unit("pairs")] = Field(
        64, ge=1, le=1_000_000, description="pairs in a step"
    )
    learning_rate: float = Field(4e-4, gt=0, examples=[7e-4], description="at its peak")
    weight_decay: float = Field(0.0, ge=0, description="decoupled")
    warmup: Annotated[float, Unit("share of the steps")] = Field(
        0.01, ge=0, lt=1, description="part of the steps with a rising rate"
    )
    schedule: Literal["constant", "cosine"] = Field("cosine", description="after the warm-up")
    clip: float = Field(0.1, gt=0, examples=[1.0], description="largest norm of the gradient")
    ema: float = Field(0.9999, ge=0, lt=1, description="decay of the averaged weights")

    def without_effect(self) -> Mapping[str, str]:
        return {} if self.inherit_file is not None else {"inherit_heads": "inherit_file"}

    @model_validator(mode="after")
    def _options_fit_each_other(self) -> TransformerOptions:
        if self.hidden_size % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide hidden_size ({self.hidden_size})")
        if self.inherit is not None and self.inherit_file is not None:
            raise ValueError("inherit, inherit_file: there can be only one to start from")
        return self


class TinaDiTOptions(TransformerOptions):
    """The paper's diffusion process; the sampler and guidance can change without training again."""

    diffusion_steps: Annotated[int, Unit("noise levels")] = Field(
        1000, ge=1, le=1_000_000, description="J, noise levels in training"
    )
    drop_condition: Annotated[float, Unit("share of the pairs")] = Field(
        0.0,
        ge=0,
        lt=1,
        description="part of the pairs that are trained on without their prompts, for guidance",
    )
    sampler: Annotated[Literal["ddpm", "ddim"], AtGeneration()] = Field(
        "ddpm",
        examples=["ddim"],
        description="with or without fresh noise; in one step both are the same",
    )
    sampling_steps: Annotated[int, Unit("steps"), AtGeneration()] = Field(
        1000, ge=1, le=1_000_000, examples=[1], description="at most diffusion_steps"
    )
    guidance: Annotated[float, AtGeneration()] = Field(
        1.0,
        ge=0,
        description="strength of the prompts (Ho and Salimans 2022): 1 is off, above 1 follows "
        "them more closely; needs drop_condition",
    )

    @model_validator(mode="after")
    def _sampling_fits_training(self) -> TinaDiTOptions:
        if self.sampling_steps > self.diffusion_steps:
            raise ValueError(
                f"sampling_steps ({self.sampling_steps}) must be at most diffusion_steps "
                f"({self.diffusion_steps})"
            )
        if self.guidance != 1 and not self.drop_condition:
            raise ValueError(
                f"guidance ({self.guidance:g}) needs a network that was also trained without "
                "prompts: set drop_condition, for instance to 0.1"
            )
        return self


class HypernetworkOptions(TransformerOptions):
    pass
