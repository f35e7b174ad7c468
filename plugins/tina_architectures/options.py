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
        description="channels of the two convolutions: 16 and 32 in the paper's CNN-5K. The paper"
        " does not give those of its CNN-14K; 32 and 44 make 13,986 parameters for "
        "ten classes",
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
"""Show the nearest layer for at most this many unknown names."""
RESNET20_LAYERS = _resnet20_layers()
"""Every layer of ResNet-20 that has parameters, in the order of the network. Written here so that a
recipe is checked without torch."""


def _within(layer: str, name: str) -> bool:
    return f"{layer}.".startswith(f"{name}.")


class ResNet20Options(Options):
    generate: str | tuple[str, ...] = Field(
        "classifier",
        description="classifier, or a list of layers, blocks or stages that includes fc, such as "
        "[stage3.2.conv2, fc]. If the first of them comes after stage2.0, the layers "
        "before it are computed once per image",
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
            # A p-Model's classifier has a row for each class of its task, the generic model's for
            # each class of the data set: nothing but generating it can fill it.
            raise PydanticCustomError("layers", "must hold fc, whose rows are the task's classes")
        return generate

    @property
    def layers(self) -> tuple[str, ...]:
        """The generated layers, in the order of the network."""
        names = ("fc",) if isinstance(self.generate, str) else self.generate
        return tuple(x for x in RESNET20_LAYERS if any(_within(x, name) for name in names))


def _hint(name: str) -> str:
    close = get_close_matches(name, RESNET20_LAYERS, n=3, cutoff=0.3)
    return f"the nearest to '{name}': {', '.join(close) or 'fc'}"


class TimmOptions(Options):
    model: str = Field(
        "vit_base_patch32_224.augreg_in21k_ft_in1k",
        description="a model name from timm.list_models, with or without the tag of its weights",
    )
    pretrained: bool = Field(
        False, description="start from timm's pretrained weights (downloaded once)"
    )
    checkpoint: Path | None = Field(
        None, description="start from this file of timm weights instead of downloading them"
    )
    train_backbone: bool = Field(
        True,
        description="fine-tune the backbone as well when training the generic model; false trains"
        " only its classifier",
    )
    image_size: Annotated[int | None, Unit("pixels")] = Field(
        None,
        ge=1,
        le=4096,
        description="images are resized to this side length (default: the model's own)",
    )

    def without_effect(self) -> Mapping[str, str]:
        replaced = self.pretrained and self.checkpoint is not None
        return {"pretrained": "checkpoint"} if replaced else {}
