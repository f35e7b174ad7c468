"""A layout cut into tokens: between parameter vectors and what the transformer sees."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_generators.groups import Groups
from tina_kit.api import Layout, Tokenizer, TokenMap


class Frame:
    """layout, its tokens' groups, and how vectors become tokens and come back."""

    def __init__(self, layout: Layout, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.tokens(layout)
        self.layout = layout
        self.groups = Groups(layout, tokens)
        self._map = TokenMap(layout, tokens)
        self._owner = layout.class_of_entries()

    def encode(self, vectors: Tensor) -> Tensor:
        """`(B, P)` → `(B, S, W)`, padded with zeros."""
        return self._map.encode(vectors)

    def decode(self, tokens: Tensor) -> Tensor:
        """`(B, S, W)` → `(B, P)`."""
        return self._map.decode(tokens)

    def mask(self, present: Tensor) -> Tensor:
        """bool `(B, C)`, the classes that tasks have → float32 `(B, P)`, 1 for every entry but
        those of absent classes; `(1, P)` if there are none."""
        if present.all():
            return torch.ones(1, self.layout.size)
        return (present[:, self._owner] | (self._owner < 0)).float()

    def weights(self, row: float) -> Tensor:
        """float32 `(P,)`: `row` for every entry of a class, 1 for the others."""
        return torch.where(self._owner < 0, 1.0, row)

    def noise(self, count: int, random: torch.Generator) -> Tensor:
        """`(count, S, W)`. Tokens of a group share their noise, in training as in sampling, so that
        it says nothing about their order and `class-rows` is equivariant exactly."""
        noise = torch.zeros(count, len(self._map.tokens), self._map.width)
        for name, index in self.groups.index.items():
            size = self.groups.size[name]
            noise[:, index, :size] = torch.randn(count, 1, size, generator=random)
        return noise
