"""The contract of augmentations. Shape letters are defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Augmentation(Fingerprinted, ABC):
    """Transforms both sides of (p-Model, prompts) pairs consistently (Section 4.3)."""

    @abstractmethod
    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """float32 `(B, P)`, float32 `(B, C, D)`, bool `(B, C)` → the same shapes and dtypes.

        vectors: parameter vectors before normalisation. mask: which positions hold a class; the
        others hold the padding prompt. random: a CPU generator; each call draws anew from it.
        """
