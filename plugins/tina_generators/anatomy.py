"""The meaning of the indices in a network's tensor names, so that the tensors of networks with
different sizes and tokens can be matched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Anatomy:
    """The structure of a network. groups: the groups of its parameter tokens; placed: those with a
    position embedding; texts: the number of text tokens, 0 if conditions are added to class tokens;
    heads: the number of attention heads."""

    groups: tuple[str, ...]
    placed: tuple[str, ...]
    texts: int
    heads: int

    @property
    def conditions(self) -> tuple[str, ...]:
        """The name of each condition encoder."""
        return tuple(f"text {place}" for place in range(self.texts)) or ("class",)

    @property
    def positions(self) -> tuple[str, ...]:
        """The name of each row of the position embedding."""
        return ("time", *self.conditions[: self.texts], *self.placed)

    @property
    def sections(self) -> tuple[int, int, int]:
        """The numbers of positions of the time token, text tokens and parameter tokens."""
        return 1, self.texts, len(self.placed)

    def parts(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A network's state dict, split into tensors with meaningful names:
        `encoders[GROUP].weight`, `positions[time]`, `blocks.0.attention.query.weight`."""
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
        modules = {"encoders": self.groups, "decoders": self.groups, "condition": self.conditions}
        return [
            f"{module}.{number}.{kind}"
            for module, names in modules.items()
            for number in range(len(names))
            for kind in ("weight", "bias")
        ]

    def _part(self, name: str) -> str:
        module, _, rest = name.partition(".")
        names = {"encoders": self.groups, "decoders": self.groups, "condition": self.conditions}
        if module not in names:
            return name
        number, _, kind = rest.partition(".")
        return f"{module}[{names[module][int(number)]}].{kind}"
