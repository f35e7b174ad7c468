"""Options of the conditioners."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from tina_kit.api import Options


class HashedNgramsOptions(Options):
    width: int = Field(256, ge=8, description="of the embeddings")
    letters: int = Field(3, ge=1, description="length of the letter n-grams beside whole words")


class SentenceTransformerOptions(Options):
    model: str = Field(
        "all-MiniLM-L6-v2",
        description="a name on the Hugging Face hub, or a folder; the default is a Python package",
    )
    template: str = Field("{}", pattern=r"\{\}", description="{} stands for the prompt")
    offline: bool = Field(True, description="use only models that are on this machine")


class EmbeddingTableOptions(Options):
    path: Path = Field(description=".npz with `names` (N strings) and `embeddings` (N × D)")
    normalise: bool = Field(True, description="scale every vector to length 1")
