"""Text embedded without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
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
            row += torch.from_numpy(self._signs(prompt).sum(0))
        return F.normalize(rows, dim=1)

    def _pieces(self, prompt: str) -> Iterator[str]:
        size = self.options.letters
        for word in prompt.lower().split():
            yield f"word {word}"
            padded = f"^{word}$"
            yield from (padded[i : i + size] for i in range(max(1, len(padded) - size + 1)))

    def _signs(self, prompt: str) -> NDArray[np.int32]:
        """`(pieces, width)` of ±1: the bits of each piece's hash."""
        size = (self.width + 7) // 8
        hashes = (hashlib.shake_256(piece.encode()).digest(size) for piece in self._pieces(prompt))
        whole = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, size)
        bits = np.unpackbits(whole, axis=1, count=self.width, bitorder="little")
        return bits.astype(np.int32) * 2 - 1
