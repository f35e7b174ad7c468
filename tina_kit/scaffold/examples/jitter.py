from typing import Annotated

import torch
from pydantic import Field
from tina_kit.api import Augmentation, Component, Layout, Options, Unit, hookimpl
from torch import Tensor


class JitterOptions(Options):
    scale: Annotated[float, Unit("standard deviations")] = Field(
        0.05, ge=0, description="size of the noise"
    )


class Jitter(Augmentation):
    """Noise on the parameters, in proportion to the spread of each tensor."""

    def __init__(self, options: JitterOptions) -> None:
        self.scale = options.scale

    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        noise = torch.randn(vectors.shape, generator=random).to(vectors) * self.scale
        for place in layout.slices.values():
            noise[:, place] *= vectors[:, place].std(1, correction=0, keepdim=True)
        return vectors + noise, conditions, mask


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Jitter"
    return [Component("augmentation", "jitter", code, f"{code}Options", "Noise on parameters.")]
