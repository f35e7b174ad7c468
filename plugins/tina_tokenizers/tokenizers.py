"""The two tokenizers."""

from __future__ import annotations

from collections.abc import Iterator

from tina_kit.api import Layout, Parameter, Token, Tokenizer
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions


class LayerChunks(Tokenizer):
    """Section 4.2: each parameter is cut into chunks of at most `size`, no chunk spans two layers,
    and every token has an encoder, a decoder and a position of its own.

    CNN-5K in chunks of 576: 432 | 8 × 576 | 320 | 10.
    """

    def __init__(self, options: LayerChunksOptions) -> None:
        self.options = options

    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        return tuple(
            token
            for parameter in layout.parameters
            for token in _chunks(layout, parameter, self.options.size)
        )


class ClassRows(Tokenizer):
    """One token for each class: its rows of every class-indexed parameter, joined with the
    class's condition. All of them share encoder and decoder and have no position, so that the
    order of the classes is the order of the rows by construction and nothing has to learn it.
    The other parameters are cut as `layer-chunks` cuts them.
    """

    def __init__(self, options: ClassRowsOptions) -> None:
        self.options = options

    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        shared = tuple(
            token
            for parameter in layout.parameters
            if parameter.class_axis is None
            for token in _chunks(layout, parameter, self.options.size)
        )
        owner = layout.class_of_entries()
        rows = tuple(
            Token(
                entries=tuple((owner == index).nonzero().squeeze(1).tolist()),
                layer="classes",
                group="classes",
                class_index=index,
            )
            for index in range(layout.classes or 0)
        )
        return shared + rows


def _chunks(layout: Layout, parameter: Parameter, size: int) -> Iterator[Token]:
    whole = layout.slices[parameter.name]
    for start in range(whole.start, whole.stop, size):
        entries = tuple(range(start, min(start + size, whole.stop)))
        group = f"{parameter.name}[{start - whole.start}]"
        yield Token(entries=entries, layer=parameter.layer, group=group)
