"""Options of the tokenizers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tina_kit.api import Options, Unit


class LayerChunksOptions(Options):
    size: Annotated[int, Unit("entries")] = Field(
        576, ge=1, le=1_000_000_000, description="maximum entries per token (Section 5.1: 576)"
    )


class ClassRowsOptions(Options):
    size: Annotated[int, Unit("entries")] = Field(
        576,
        ge=1,
        le=1_000_000_000,
        description="maximum entries per token of any other layers",
    )
