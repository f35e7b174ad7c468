"""Options of the architectures."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from tina_kit.api import Options, Unit

Width = Annotated[int, Field(ge=1, le=65_536)]


class CNNOptions(Options):
    widths: Annotated[tuple[Width, Width], Unit("channels")] = Field(
        (16, 32),
        description="channels of the two convolutions. The paper's CNN-5K has 16 and 32; it does "
        "not specify its CNN-14K, for which 32 and 44 give 13,986 parameters with ten classes",
    )


def _resnet20_layers() -> tuple[str, ...]:
    names = ["stem.conv", "stem.bn"]
    for stage in (1, 2, 3):
        for block in (0, 1, 2):
            pieces = ["conv1", "bn1", "conv2", "bn2"]
            if stage > 1 and block == 0:
                pieces += ["shortcut.conv", "shortcut.bn"]
            names += [f"stage{stage}.{block}.{piece}" for piece in pieces]
    return (*names, "fc")


HINTED = 3
"""Number of unknown layers for which a message suggests similar names."""
RESNET20_LAYERS = _resnet20_layers()
"""Every layer of ResNet-20 that has parameters, in order. Listed here so that recipes can be
checked without torch."""


def _within(layer: str, name: str) -> bool:
    return f"{layer}.".startswith(f"{name}.")


class ResNet20Options(Options):
    generate: str | tuple[str, ...] = Field(
        "classifier",
        description="classifier, or a list of layers, blocks or stages that includes fc: "
        "[stage3.2.conv2, fc]. If the first of them comes after stage2.0, everything before it is "
        "computed only once per image",
    )

    @field_validator("generate")
    @classmethod
    def _names_exist(cls, generate: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if generate == "classifier":
            return generate
        if isinstance(generate, str):
            raise PydanticCustomError("layers", "must be classifier or a list of layers")
        unknown = [n for n in generate if not any(_within(layer, n) for layer in RESNET20_LAYERS)]
        if unknown:
            raise PydanticCustomError(
                "layers",
                "must name layers of ResNet-20 ({hints})",
                {"hints": "; ".join(_hint(name) for name in unknown[:HINTED])},
            )
        if "fc" not in generate:
            # The generic model's classifier has rows for all classes of the data set, so it cannot
            # provide those of a task.
            raise PydanticCustomError(
                "layers", "must include fc, whose rows are the task's classes"
            )
        return generate

    @property
    def layers(self) -> tuple[str, ...]:
        """The generated layers, in network order."""
        names = ("fc",) if isinstance(self.generate, str) else self.generate
        return tuple(x for x in RESNET20_LAYERS if any(_within(x, name) for name in names))


def _hint(name: str) -> str:
    close = get_close_matches(name, RESNET20_LAYERS, n=3, cutoff=0.3)
    return f"most similar to '{name}': {', '.join(close) or 'fc'}"


class TimmOptions(Options):
    model: str = Field(
        "vit_base_patch32_224.augreg_in21k_ft_in1k",
        description="a model name from timm.list_models, with or without the tag of its weights",
    )
    pretrained: bool = Field(
        False, description="start from timm's pretrained weights (downloaded once)"
    )
    checkpoint: Path | None = Field(
        None, description="start from this file with timm weights instead of a download"
    )
    train_backbone: bool = Field(
        True, description="if false, only the classifier of the generic model is trained"
    )
    image_size: Annotated[int | None, Unit("pixels")] = Field(
        None,
        ge=1,
        le=4096,
        description="side to which images are resized; by default the model's own",
    )

    def without_effect(self) -> Mapping[str, str]:
        replaced = self.pretrained and self.checkpoint is not None
        return {"pretrained": "checkpoint"} if replaced else {}
