"""What a tokenizer promises. Shapes are named as in `dataset`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tina_kit.api.fingerprint import Fingerprinted
from tina_kit.api.layout import Layout


@dataclass(frozen=True)
class Token:
    """A chunk of a parameter vector, as the transformer sees it.

    entries: which entries of the vector it holds, in order.
    layer: the layer they come from.
    group: tokens of one group share encoder, decoder and (having none) position; they have one
        size. A group of one token has a position of its own.
    class_index: the class it belongs to, whose condition it is joined with; None for none.
    """

    entries: tuple[int, ...]
    layer: str
    group: str
    class_index: int | None = None


class Tokenizer(Fingerprinted, ABC):
    """Cuts parameter vectors into tokens (Section 4.2)."""

    @abstractmethod
    def tokens(self, layout: Layout) -> tuple[Token, ...]:
        """The tokens of a vector in `layout`; every entry lies in exactly one token."""
