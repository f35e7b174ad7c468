"""Converts parameter vectors to padded tokens and back, without loss."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_kit.api.layout import Layout
from tina_kit.api.tokenizer import Token


class TokenMap:
    """The gather and scatter defined by a tokenizer's tokens: S tokens, the longest of width W.

    Raises ValueError unless every entry of the vector is in exactly one token.
    """

    def __init__(self, layout: Layout, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.width = max(len(token.entries) for token in tokens)
        index = torch.full((len(tokens), self.width), -1)
        for row, token in zip(index, tokens):
            row[: len(token.entries)] = torch.tensor(token.entries)
        self.mask = index >= 0  # bool (S, W)
        entries = index[self.mask]
        if not torch.equal(entries.sort().values, torch.arange(layout.size)):
            raise ValueError("tokens must contain every entry of the parameter vector exactly once")
        self._gather = index.clamp(min=0)
        self._scatter = torch.empty_like(entries)
        self._scatter[entries] = self.mask.reshape(-1).nonzero().squeeze(1)

    def encode(self, vectors: Tensor) -> Tensor:
        """`(..., P)` → `(..., S, W)`, padded with zeros."""
        entries = vectors.index_select(-1, self._gather.flatten().to(vectors.device))
        tokens: Tensor = entries.unflatten(-1, self.mask.shape)
        return tokens * self.mask.to(vectors.device)

    def decode(self, tokens: Tensor) -> Tensor:
        """`(..., S, W)` → `(..., P)`; values in the padding are ignored."""
        return tokens.flatten(-2).index_select(-1, self._scatter.to(tokens.device))
