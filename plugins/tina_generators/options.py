"""Options of the generators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tina_kit.api import Added, AtGeneration, ComponentSpec, Nested, Options, Row, Unit


class GenericOptions(Options):
    pass


class ClassifierSelectionOptions(Options):
    others: Literal["drop", "zero"] = Field(
        "drop",
        description="rows of the other classes: drop them, so that they cannot be predicted, or "
        "zero them as in the paper, so that their logit of 0 can win",
    )


class OracleOptions(Options):
    pass


class TransformerOptions(Options):
    """Options shared by Tina and its variants. The defaults are the paper's (Section 5.1 and
    appendix), the `examples` those of a small model that trains in minutes."""

    hidden_size: Annotated[int, Unit("dimensions")] = Field(
        2048, ge=1, le=65_536, examples=[128], description="width of the transformer"
    )
    depth: Annotated[int, Unit("blocks")] = Field(
        12, ge=1, le=1000, examples=[3], description="number of transformer blocks"
    )
    heads: Annotated[int, Unit("heads")] = Field(
        16, ge=1, le=65_536, examples=[4], description="attention heads; must divide hidden_size"
    )
    tokenizer: Annotated[ComponentSpec, Nested("tokenizer")] = Field(
        ComponentSpec(use="layer-chunks"),
        description="tokenizer that cuts parameter vectors into tokens",
    )
    augmentations: Annotated[tuple[ComponentSpec, ...], Nested("augmentation")] = Field(
        (ComponentSpec(use="classifier-permutation"),),
        description="random transformations of each training pair, drawn anew in each step; no "
        "effect with objective: task",
    )
    linear: Annotated[bool, Added()] = Field(
        False,
        description="add a linear map of the conditions, summed over a task's classes, to the "
        "transformer's output, with which objective: task finds what differs between tasks sooner",
    )
    normalisation: Literal["mean-layer-scale", "global-scale"] = Field(
        "mean-layer-scale",
        description="normalisation of parameter vectors: subtract the zoo's mean and divide by "
        "each layer's scale, or divide by a single scale as G.pt does",
    )
    row_weight: float = Field(
        1.0,
        gt=0,
        description="weight of the class rows' entries in the loss, relative to shared ones: rows "
        "differ more between classes than between tasks, and only the latter is specific to a "
        "p-Model. No effect if all entries belong to classes",
    )
    prompts: Literal["text", "image"] = Field(
        "text", description="train on class names, or on random training images of each class"
    )
    conditions: Annotated[Literal["scaled", "whitened"], Added()] = Field(
        "scaled",
        description="scaled: conditions are centred and divided by one number. whitened: rotated "
        "and scaled so that all directions in which the conditions of seen classes differ are "
        "equally large, since classes of similar names differ little in a text encoder's space; "
        "what lies outside these directions is dropped",
    )
    merge: Literal["none", "mean"] = Field(
        "none", description="mean: replace each prompt by the mean of the task's prompts (Table 3)"
    )
    tasks: Annotated[int | None, Unit("tasks")] = Field(
        None,
        ge=1,
        le=1_000_000,
        description="use only the zoo's first N ID tasks; by default all",
    )
    objective: Annotated[Literal["p-models", "task", "both"], Added()] = Field(
        "p-models",
        description="p-models: reproduce the ID tasks' p-Models. task: lower the generated "
        "p-Models' own loss on training images of ID tasks, without p-Models, which are then not "
        "fine-tuned. both: the sum",
    )
    base: Annotated[Literal["zoo-mean", "selection"], Added()] = Field(
        "zoo-mean",
        description="what the network's output is a deviation from: the zoo's mean, or classifier "
        "selection",
    )
    missing_rows: Annotated[Literal["mean", "ridge"], Added()] = Field(
        "mean",
        description="with base: selection, what a class without a row starts from: the mean row, "
        "or the row that kernel ridge regression from prompts to rows predicts. In the latter case "
        "the network sees the prompt as the same mixture of the prompts of classes with rows",
    )
    class_dropout: Annotated[float, Unit("share of the classes"), Added()] = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a batch's classes that are treated as if they had no row, as "
        "practice for unseen classes; needs base: selection",
    )
    images: Annotated[int, Unit("images per task"), Added()] = Field(
        64,
        ge=1,
        le=1_000_000,
        description="training images of each task per step of the objectives task and both",
    )
    augment: Annotated[Literal["none", "flip"], Added()] = Field(
        "none",
        description="flip: horizontal flips of half of the images of the objectives task and both; "
        "not for p-Models that read features",
    )
    task_weight: Annotated[float, Added()] = Field(
        1.0, gt=0, description="weight of the p-Models' own loss in the objective both"
    )
    output_scale: Annotated[float, Added()] = Field(
        0.1,
        gt=0,
        description="size of the network's outputs with the objective task, as a share of the "
        "generic model's parameters in each layer: p-Models, whose size the other objectives take, "
        "are not known",
    )
    inherit: Annotated[str | None, Row("generator")] = Field(
        None, description="initialise from another Tina of the recipe, of any size (Section 4.4)"
    )
    inherit_file: Path | None = Field(
        None, description="initialise from a checkpoint of G.pt or GPT-2 (Section 4.4)"
    )
    inherit_heads: Annotated[int, Unit("heads")] = Field(
        16,
        ge=1,
        le=65_536,
        description="number of attention heads in inherit_file, which does not record it; G.pt has "
        "16",
    )

    steps: Annotated[int, Unit("steps")] = Field(
        100_000, ge=1, le=1_000_000_000, examples=[600], description="training steps"
    )
    batch_size: Annotated[int, Unit("pairs")] = Field(
        64, ge=1, le=1_000_000, description="pairs per step"
    )
    accumulate: Annotated[int, Unit("parts"), Added()] = Field(
        1,
        ge=1,
        le=1_000_000,
        description="parts that a batch is divided into, whose gradients are summed, so that less "
        "memory is needed",
    )
    learning_rate: float = Field(4e-4, gt=0, examples=[7e-4], description="peak learning rate")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay of AdamW")
    warmup: Annotated[float, Unit("share of the steps")] = Field(
        0.01, ge=0, lt=1, description="linear warm-up of the learning rate"
    )
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="learning-rate schedule after the warm-up"
    )
    clip: float = Field(0.1, gt=0, examples=[1.0], description="maximum gradient norm")
    ema: float = Field(0.9999, ge=0, lt=1, description="decay of the averaged weights (EMA)")

    def without_effect(self) -> Mapping[str, str]:
        without = {} if self.inherit_file is not None else {"inherit_heads": "inherit_file"}
        if self.objective == "p-models":
            without |= {"images": "objective", "augment": "objective"}
        if self.objective != "both":
            without["task_weight"] = "objective"
        if self.objective == "task":
            without |= {"row_weight": "objective", "normalisation": "objective"}
        else:
            without["output_scale"] = "objective"
        if self.base != "selection":
            without["missing_rows"] = "base"
        return without

    @model_validator(mode="after")
    def _options_fit_each_other(self) -> TransformerOptions:
        if self.hidden_size % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide hidden_size ({self.hidden_size})")
        if self.inherit is not None and self.inherit_file is not None:
            raise ValueError("give either inherit or inherit_file, not both")
        if self.base == "zoo-mean" and self.objective == "task":
            raise ValueError("objective: task fine-tunes no p-Models; set base: selection")
        if self.base == "zoo-mean" and self.class_dropout:
            raise ValueError("class_dropout needs base: selection")
        if self.base == "selection" and self.prompts == "image":
            raise ValueError("base: selection finds a class's row by its name; set prompts: text")
        return self


class TinaDiTOptions(TransformerOptions):
    """Options of the paper's diffusion process; sampler and guidance can change without
    retraining."""

    diffusion_steps: Annotated[int, Unit("noise levels")] = Field(
        1000, ge=1, le=1_000_000, description="number of noise levels in training, J"
    )
    drop_condition: Annotated[float, Unit("share of the pairs")] = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of training pairs whose prompts are dropped, for guidance",
    )
    sampler: Annotated[Literal["ddpm", "ddim"], AtGeneration()] = Field(
        "ddpm",
        examples=["ddim"],
        description="ddpm adds fresh noise in each step, ddim does not; equal for a single step",
    )
    sampling_steps: Annotated[int, Unit("steps"), AtGeneration()] = Field(
        1000,
        ge=1,
        le=1_000_000,
        examples=[1],
        description="denoising steps; at most diffusion_steps",
    )
    guidance: Annotated[float, AtGeneration()] = Field(
        1.0,
        ge=0,
        description="scale of classifier-free guidance (Ho and Salimans 2022): 1 is off, larger "
        "values follow the prompts more closely; needs drop_condition",
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
                "prompts: set drop_condition, for example to 0.1"
            )
        return self


class HypernetworkOptions(TransformerOptions):
    pass
