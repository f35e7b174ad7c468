"""Conditioners, which embed prompts."""

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
            summary="Hashed words and letter n-grams: needs no download, reproducible everywhere.",
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
            summary="Vectors from an .npz file, for example CLIP's for a list of names.",
        ),
        Component(
            kind="conditioner",
            name="open-clip",
            target="tina_conditioners.clip:OpenClip",
            options="tina_conditioners.options:OpenClipOptions",
            summary="CLIP's text and image towers, of any open_clip model (Section 4.1).",
        ),
        Component(
            kind="conditioner",
            name="mini-clip",
            target="tina_conditioners.mini_clip:MiniClip",
            options="tina_conditioners.options:MiniClipOptions",
            summary="open-clip with a small model, trained here on the data set.",
            version=2,
        ),
        Component(
            kind="conditioner",
            name="descriptions",
            target="tina_conditioners.descriptions:Descriptions",
            options="tina_conditioners.options:DescriptionsOptions",
            summary="A sentence per class from a file, embedded by a text conditioner (Figure 6c).",
        ),
        Component(
            kind="conditioner",
            name="llm-descriptions",
            target="tina_conditioners.llm:LlmDescriptions",
            options="tina_conditioners.options:LlmDescriptionsOptions",
            summary="A sentence per class from GPT-4 or another language model (Figure 6c).",
        ),
    ]
