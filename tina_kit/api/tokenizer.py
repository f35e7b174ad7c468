"""The contract of tokenizers. Shape letters are defined in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout


@dataclass(frozen=True)
class Token:
    """A chunk of a parameter vector, as the transformer sees it.

    entries: indices of its entries in the vector, in order.
    layer: the layer they come from.
    group: tokens of a group have the same size, share encoder and decoder, and have no position
        embedding. A token that is alone in its group has its own position.
    class_index: the class it belongs to, whose condition it is combined with; None for no class.
    """

    entries: tuple[int, ...]
    layer: str
    group: str
    class_index: int | None = None


class Tokenizer(Fingerprinted, ABC):
    """Cuts parameter vectors into tokens (Section 4.2)."""

    @abstractmethod
    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        """The tokens of a vector in `layout`; every entry is in exactly one token."""
