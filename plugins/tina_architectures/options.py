"""Options of the architectures."""

from __future__ import annotations

from pydantic import Field

from tina_kit.api import Options


class CNNOptions(Options):
    widths: tuple[int, int] = Field(
        (16, 32), description="channels of the two convolutions (the paper's CNN-5K: 16 and 32)"
    )
