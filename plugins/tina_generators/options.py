"""Options of the generators."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tina_kit.api import Options, Part, part, parts


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


class TinaDiTOptions(Options):
    """The defaults are the paper's (Section 5.1 and its appendix)."""

    hidden_size: int = Field(2048, ge=1, description="width of the transformer")
    depth: int = Field(12, ge=1, description="transformer blocks")
    heads: int = Field(16, ge=1, description="attention heads; must divide hidden_size")
    tokenizer: Part = part("tokenizer", "layer-chunks")
    augmentations: tuple[Part, ...] = parts("augmentation", "classifier-permutation")
    normalisation: Literal["mean-layer-scale", "global-scale"] = Field(
        "mean-layer-scale",
        description="of parameter vectors: subtract the zoo's mean and divide by each layer's "
        "scale, or divide by one scale, as G.pt does",
    )

    diffusion_steps: int = Field(1000, ge=1, description="J, noise levels in training")
    sampler: Literal["ddpm", "ddim"] = Field("ddpm", description="with or without fresh noise")
    sampling_steps: int = Field(1000, ge=1, description="at most diffusion_steps")

    steps: int = Field(100_000, ge=1, description="training steps")
    batch_size: int = Field(64, ge=1, description="pairs in a step")
    learning_rate: float = Field(4e-4, gt=0, description="at its peak")
    weight_decay: float = Field(0.0, ge=0, description="decoupled")
    warmup: float = Field(0.01, ge=0, lt=1, description="part of the steps with a rising rate")
    schedule: Literal["constant", "cosine"] = Field("cosine", description="after the warm-up")
    clip: float = Field(0.1, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.9999, ge=0, lt=1, description="decay of the averaged weights")
