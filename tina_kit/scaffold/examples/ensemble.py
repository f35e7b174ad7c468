from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from tina_kit.api import Component, ComponentSpec, Conditioner, Nested, Options, hookimpl
from torch import Tensor
from torch.nn.functional import normalize


class EnsembleOptions(Options):
    templates: tuple[str, ...] = Field(
        ("a photo of a {}", "a drawing of a {}"), description="{} stands for the prompt"
    )
    text: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="sentence-transformer"), description="embeds the sentences"
    )


class Ensemble(Conditioner):
    """The mean direction of several sentences about a class."""

    def __init__(self, options: EnsembleOptions, text: Conditioner) -> None:
        self.options, self.text = options, text

    @property
    def width(self) -> int:
        return self.text.width

    def embed(self, prompts: Sequence[str]) -> Tensor:
        self.text.device = self.device
        sentences = [[t.replace("{}", p) for p in prompts] for t in self.options.templates]
        rows = torch.stack([normalize(self.text.embed(each), dim=1) for each in sentences])
        return normalize(rows.mean(0), dim=1)


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Ensemble"
    return [Component("conditioner", "ensemble", code, f"{code}Options", "Several templates.")]
