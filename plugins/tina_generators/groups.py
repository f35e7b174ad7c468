"""Tokens grouped by the encoder and decoder that they share."""

from __future__ import annotations

from collections.abc import Sequence

from tina_kit.api import Token


class Groups:
    """Which tokens share encoder and decoder. Names are those of `Token.group`, in order.

    index: for each group the places of its tokens; at: the same as an index of tensors; size: of
    its tokens; classes: for each group the class of each of its tokens, None where they belong to
    none.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.index: dict[str, list[int]] = {}
        self.size: dict[str, int] = {}
        self.classes: dict[str, list[int] | None] = {}
        for place, token in enumerate(tokens):
            self.index.setdefault(token.group, []).append(place)
            size = self.size.setdefault(token.group, len(token.entries))
            if size != len(token.entries):
                raise ValueError(f"tokens of group {token.group!r} have {size} and other sizes")
            if token.class_index is None:
                self.classes.setdefault(token.group, None)
            else:
                rows = self.classes.setdefault(token.group, [])
                if rows is None:
                    raise ValueError(f"some tokens of group {token.group!r} have no class")
                rows.append(token.class_index)
        self.at = {name: as_slice(index) for name, index in self.index.items()}

    @property
    def joined(self) -> bool:
        """Whether conditions are joined with class tokens, instead of being tokens themselves."""
        return any(rows is not None for rows in self.classes.values())


def as_slice(index: list[int]) -> slice | list[int]:
    """A slice, which copies nothing, where the places follow each other."""
    first, last = index[0], index[-1] + 1
    return slice(first, last) if index == list(range(first, last)) else index
