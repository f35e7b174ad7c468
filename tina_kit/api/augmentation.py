"""What an augmentation promises. Shapes are named as in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Augmentation(Fingerprinted, ABC):
    """Changes both sides of (p-Model, prompts) pairs alike (Section 4.3)."""

    @abstractmethod
    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`(B, P)`, `(B, C, D)`, bool `(B, C)` → the same shapes, drawn anew from `random`
        (on the CPU). vectors: as they are in p-Models, not normalised. mask: which places hold a
        class; the others hold the padding prompt."""
