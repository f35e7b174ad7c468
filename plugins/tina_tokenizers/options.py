"""Options of the tokenizers."""

from __future__ import annotations

from pydantic import Field

from tina_kit.api import Options


class LayerChunksOptions(Options):
    size: int = Field(
        576,
        ge=1,
        le=1_000_000_000,
        description="the most entries of a token (Section 5.1: 576)",
        json_schema_extra={"unit": "entries"},
    )


class ClassRowsOptions(Options):
    size: int = Field(
        576,
        ge=1,
        le=1_000_000_000,
        description="the most entries of a token of the other layers, where there are any",
        json_schema_extra={"unit": "entries"},
    )
