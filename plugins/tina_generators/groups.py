"""Tokens grouped by the encoder and decoder that they share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tina_kit.api import Layout, Token, UserError

CPU = torch.device("cpu")


class Groups:
    """Which tokens share encoder and decoder. Names are those of `Token.group`, in order.

    index: for each group the places of its tokens; at: the same as an index of tensors; size: of
    its tokens; classes: for each group the class of each of its tokens, None where they belong to
    none; row_size: the number of entries that belong to each class.
    """

    def __init__(self, layout: Layout, tokens: Sequence[Token]) -> None:
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
        self._owner, self._place = _rows_of(layout)
        self.row_size = int((self._owner == 0).sum())
        self._held = {
            # Explicit devices: a network may be made on the meta device.
            name: torch.tensor([tokens[at].entries for at in index], device=CPU)
            for name, index in self.index.items()
        }
        self._rows: dict[tuple[str, torch.device], tuple[Tensor, Tensor] | None] = {}

    @property
    def joined(self) -> bool:
        """Whether conditions are joined with class tokens, instead of being tokens themselves."""
        return any(rows is not None for rows in self.classes.values())

    def rows(self, name: str, device: torch.device = CPU) -> tuple[Tensor, Tensor] | None:
        """For each entry of a group's tokens the class whose row it is in and its place in that
        row, int64 `(tokens, size)` on `device`; None if they hold no rows. Raises UserError if they
        hold entries of both kinds."""
        if (name, device) not in self._rows:
            owner, place = (of_all[self._held[name]] for of_all in (self._owner, self._place))
            shared = owner < 0
            if shared.any() and not shared.all():
                raise UserError(
                    "linear: true needs a tokenizer that separates rows of classes from shared "
                    f"entries; its tokens of the group {name!r} hold both"
                )
            there = None if shared.all() else (owner.to(device), place.to(device))
            self._rows[name, device] = there
        return self._rows[name, device]


def _rows_of(layout: Layout) -> tuple[Tensor, Tensor]:
    """For each entry the class whose row it is in, -1 for shared entries, and its place among the
    entries of that class: int64 `(P,)` both."""
    owner = layout.class_of_entries()
    place = torch.zeros_like(owner)
    if layout.classes:
        rows = owner.argsort(stable=True)[int((owner < 0).sum()) :].view(layout.classes, -1)
        place[rows] = torch.arange(rows.shape[1], device=CPU).expand_as(rows)
    return owner, place


def as_slice(index: list[int]) -> slice | list[int]:
    """A slice, which copies nothing, where the places follow each other."""
    first, last = index[0], index[-1] + 1
    return slice(first, last) if index == list(range(first, last)) else index
