"""Tokenizers, which split parameter vectors into tokens."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="tokenizer",
            name="layer-chunks",
            target="tina_tokenizers.tokenizers:LayerChunks",
            options="tina_tokenizers.options:LayerChunksOptions",
            summary="Chunks within a layer, each with its own encoder and decoder (Section 4.2).",
        ),
        Component(
            kind="tokenizer",
            name="class-rows",
            target="tina_tokenizers.tokenizers:ClassRows",
            options="tina_tokenizers.options:ClassRowsOptions",
            summary="One token per class: equivariant to class order, any number of classes.",
        ),
    ]
