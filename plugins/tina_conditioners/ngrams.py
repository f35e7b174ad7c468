"""Text embedded without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_conditioners.options import HashedNgramsOptions
from tina_kit.api import Conditioner


class HashedNgrams(Conditioner):
    """The sum of a pseudo-random ±1 vector for each word and letter n-gram, derived from its hash.

    Prompts that share words are close to each other; meaning beyond spelling is not captured. Rows
    have length 1 (0 for a prompt without letters).
    """

    def __init__(self, options: HashedNgramsOptions) -> None:
        self.options = options

    @property
    def width(self) -> int:
        return self.options.width

    def embed(self, prompts: Sequence[str]) -> Tensor:
        rows = torch.zeros(len(prompts), self.width)
        for row, prompt in zip(rows, prompts):
            for piece in self._pieces(prompt):
                row += self._signs(piece)
        return F.normalize(rows, dim=1)

    def _pieces(self, prompt: str) -> Iterator[str]:
        size = self.options.letters
        for word in prompt.lower().split():
            yield f"word {word}"
            padded = f"^{word}$"
            yield from (padded[i : i + size] for i in range(max(1, len(padded) - size + 1)))

    def _signs(self, piece: str) -> Tensor:
        """float32 `(width,)` of ±1: the bits of the piece's hash."""
        bits = hashlib.shake_256(piece.encode()).digest((self.width + 7) // 8)
        ones = torch.tensor(list(bits), dtype=torch.uint8)
        spread = (ones[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
        return spread.flatten()[: self.width].float() * 2 - 1
