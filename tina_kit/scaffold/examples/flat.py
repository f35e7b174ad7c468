from typing import Annotated

from pydantic import Field
from tina_kit.api import Component, Layout, Options, Token, Tokenizer, Unit, hookimpl


class FlatOptions(Options):
    size: Annotated[int, Unit("entries")] = Field(576, ge=1, description="length of a token")


class Flat(Tokenizer):
    """Cuts across layers where `layer-chunks` does not: an ablation of Section 4.2."""

    def __init__(self, options: FlatOptions) -> None:
        self.size = options.size

    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        layers = [parameter.layer for parameter in layout.parameters for _ in range(parameter.size)]
        return tuple(
            Token(
                entries=tuple(range(start, min(start + self.size, layout.size))),
                layer=layers[start],
                group=f"entries from {start}",  # one token a group: own encoder, own position
            )
            for start in range(0, layout.size, self.size)
        )


@hookimpl
def tina_kit_components() -> list[Component]:
    code = f"{__name__}:Flat"
    return [Component("tokenizer", "flat", code, f"{code}Options", "Chunks across layers.")]
