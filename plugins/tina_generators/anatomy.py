"""What the numbers in the names of a network's tensors stand for, so that networks of different
sizes and tokens can be compared part by part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Anatomy:
    """groups: the groups of the network's parameter tokens; placed: those that have a position;
    texts: how many text tokens there are, 0 where conditions are joined with class tokens; heads:
    of attention."""

    groups: tuple[str, ...]
    placed: tuple[str, ...]
    texts: int
    heads: int

    @property
    def conditions(self) -> tuple[str, ...]:
        """What each condition encoder serves."""
        return tuple(f"text {place}" for place in range(self.texts)) or ("class",)

    @property
    def positions(self) -> tuple[str, ...]:
        """Whose position each row of the positions is."""
        return ("time", *self.conditions[: self.texts], *self.placed)

    @property
    def sections(self) -> tuple[int, int, int]:
        """How many of the positions belong to the time token, to text tokens and to parameter
        tokens."""
        return 1, self.texts, len(self.placed)

    def parts(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A network's state with every part under a name of its own: `encoders[GROUP].weight`,
        `positions[time]`, `blocks.0.attention.query.weight`."""
        parts: dict[str, Tensor] = {}
        for name, tensor in state.items():
            if name == "positions":
                parts |= {f"positions[{of}]": row for of, row in zip(self.positions, tensor)}
            elif ".qkv." in name:
                pieces = zip(_QKV, tensor.chunk(3))
                parts |= {name.replace("qkv", which): piece for which, piece in pieces}
            else:
                parts[self._part(name)] = tensor
        return parts

    def state(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inverse of `parts`."""
        state = {"positions": torch.stack([parts[f"positions[{of}]"] for of in self.positions])}
        numbers = {self._part(name): name for name in self._numbered()}
        for name, tensor in parts.items():
            if ".query." in name:
                pieces = [parts[name.replace("query", which)] for which in _QKV]
                state[name.replace("query", "qkv")] = torch.cat(pieces)
            elif not name.startswith("positions") and not re.search(r"\.(key|value)\.", name):
                state[numbers.get(name, name)] = tensor
        return state

    def _numbered(self) -> list[str]:
        sections = {"encoders": self.groups, "decoders": self.groups, "condition": self.conditions}
        return [
            f"{section}.{number}.{kind}"
            for section, names in sections.items()
            for number in range(len(names))
            for kind in ("weight", "bias")
        ]

    def _part(self, name: str) -> str:
        section, _, rest = name.partition(".")
        names = {"encoders": self.groups, "decoders": self.groups, "condition": self.conditions}
        if section not in names:
            return name
        number, _, kind = rest.partition(".")
        return f"{section}[{names[section][int(number)]}].{kind}"
