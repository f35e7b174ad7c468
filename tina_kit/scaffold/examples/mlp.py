from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from tina_kit.api import Architecture, Component, Layout, Options, Parameter, Unit, hookimpl
from torch import Tensor, nn


class MLPOptions(Options):
    side: Annotated[int, Unit("pixels")] = Field(8, ge=1, description="side of the shrunk images")
    hidden: Annotated[int, Unit("neurons")] = Field(16, ge=1, description="width of the layer")


class MLP(Architecture):
    """A hidden layer on small images; all of it is generated."""

    def __init__(self, options: MLPOptions) -> None:
        self.hidden, self.pixels = options.hidden, 3 * options.side**2
        self.shrink = nn.Sequential(nn.AdaptiveAvgPool2d(options.side), nn.Flatten())

    def build(self, classes: int) -> nn.Module:
        first, last = nn.Linear(self.pixels, self.hidden), nn.Linear(self.hidden, classes)
        return nn.Sequential(self.shrink, first, nn.ReLU(), last)

    def layout(self, classes: int) -> Layout:
        parameters = (
            Parameter("1.weight", (self.hidden, self.pixels), layer="hidden"),
            Parameter("1.bias", (self.hidden,), layer="hidden"),
            Parameter("3.weight", (classes, self.hidden), layer="classifier", class_axis=0),
            Parameter("3.bias", (classes,), layer="classifier", class_axis=0),
        )
        return Layout(parameters, chain=True)

    def normalise(self, images: Tensor) -> Tensor:
        return images.float() / 127.5 - 1

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        p = self.layout(classes).unflatten(vectors)
        x = self.shrink(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])  # (M, B, pixels)
        x = torch.baddbmm(p["1.bias"][:, None], x, p["1.weight"].mT).relu()  # (M, B, hidden)
        return torch.baddbmm(p["3.bias"][:, None], x, p["3.weight"].mT)  # (M, B, classes)


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:MLP"
    return [Component("architecture", "mlp", code, f"{code}Options", "One hidden layer.")]
