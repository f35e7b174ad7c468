"""Parameter inheritance (Section 4.4): a network starts from a trained one of another size.

Widening copies places and splits what reads the copies, as bert2BERT does (Chen et al. 2022,
after Net2Net): the wider network computes the same function, exactly where every place is copied
equally often, and as far as LayerNorm's statistics allow elsewhere. The split is uneven at random,
so that copies do not stay twins in training. New blocks are copies whose branches add nothing yet,
which changes no function either. A narrower network keeps the first places, a shallower one evenly
spaced blocks; neither preserves the function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tina_generators.anatomy import Anatomy
from tina_generators.normalisation import Normalisation
from tina_generators.prefixes import by_prefix
from tina_generators.transformer import TinaTransformer
from tina_kit.api import UserError

# What a part's rows and columns are places of; None: they must agree.
_PLACES: dict[str, tuple[str | None, str | None]] = {
    r"attention\.(query|key|value)": ("attention", "hidden"),
    r"attention\.out": ("hidden", "attention"),
    r"mlp\.0": ("mlp", "hidden"),
    r"mlp\.2": ("hidden", "mlp"),
    r"decoders\[.*\]": (None, "hidden"),
    r"linear\..*": (None, None),
    r"(encoders|condition)\[.*\]|time|norm\d?": ("hidden", None),
}
_CLOSED = re.compile(r"attention\.out|mlp\.2")  # the ends of a block's two branches
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Ancestor:
    """A trained network to inherit from. source: its name in messages; parts: its tensors, named as
    by `Anatomy.parts`; heads: number of attention heads; normalisation: of its training data."""

    source: str
    parts: Mapping[str, Tensor]
    heads: int
    normalisation: Normalisation | None = None

    @cached_property
    def sizes(self) -> dict[str, int]:
        """hidden, attention, heads, mlp and depth."""
        blocks = [int(m[1]) for name in self.parts if (m := _BLOCK.fullmatch(name))]
        return {
            "hidden": len(self.parts["norm.weight"]),
            "attention": len(self.parts["blocks.0.attention.query.weight"]),
            "mlp": len(self.parts["blocks.0.mlp.0.weight"]),
            "heads": self.heads,
            "depth": max(blocks) + 1,
        }


def read_tina(folder: Path, name: str) -> Ancestor:
    """A Tina that was saved to `folder`; name: of its row. Raises UserError for another kind."""
    if not (folder / "tina.json").is_file():
        raise UserError(f"inherit: {name} is not a Tina and has no transformer to inherit")
    facts = json.loads((folder / "tina.json").read_text(encoding="utf-8"))
    named = facts["anatomy"]
    anatomy = Anatomy(
        tuple(named["groups"]), tuple(named["placed"]), named["texts"], named["heads"]
    )
    saved = by_prefix(load_file(folder / "tina.safetensors"))
    normalisation = Normalisation.from_tensors(facts["normalisation"], saved["normalisation"])
    return Ancestor(name, anatomy.parts(saved["network"]), anatomy.heads, normalisation)


def inherit(
    network: TinaTransformer, ancestor: Ancestor, random: torch.Generator
) -> dict[str, Any]:
    """Initialise `network` from the tensors of `ancestor` that fit; the others stay as they are.

    Encoders, decoders and positions are matched by the names of their tokens. Returns the report:
    the sizes of both, and the names of the parts that were inherited as they are, widened,
    narrowed, added (new blocks) and left fresh.
    """
    fresh = network.anatomy.parts(network.state_dict())
    new = Ancestor("", fresh, network.anatomy.heads)
    maps = _maps(ancestor.sizes, new.sizes, random)
    blocks = _block_sources(ancestor.sizes["depth"], new.sizes["depth"])
    parts: dict[str, Tensor] = {}
    kinds = ("inherited", "widened", "narrowed", "added", "fresh")
    report: dict[str, list[str]] = {kind: [] for kind in kinds}
    for name, tensor in fresh.items():
        old, added = _source(name, blocks, ancestor.sizes["depth"])
        found = ancestor.parts.get(old)
        grown = None if found is None else _grow(old, found, maps, random)
        if grown is None or found is None or grown.shape != tensor.shape:
            parts[name] = tensor
            report["fresh"].append(name)
            continue
        parts[name] = torch.zeros_like(grown) if added and _CLOSED.search(name) else grown
        report["added" if added else _kind(found, grown)].append(name)
    network.load_state_dict(network.anatomy.state(parts))
    sizes = {"from": ancestor.sizes, "to": new.sizes}
    return {"source": ancestor.source, "sizes": sizes, **report}


def _kind(old: Tensor, new: Tensor) -> str:
    if new.numel() > old.numel():
        return "widened"
    return "inherited" if new.shape == old.shape else "narrowed"


def _block_sources(old: int, new: int) -> list[int]:
    """Which old block each new one takes: beyond the old ones again from the first."""
    if new >= old:
        return [number % old for number in range(new)]
    return [int(place) for place in torch.linspace(0, old - 1, new).round()]


def _source(name: str, blocks: list[int], depth: int) -> tuple[str, bool]:
    """The old part's name, and whether the part belongs to a block beyond the old ones."""
    match = _BLOCK.fullmatch(name)
    if match is None:
        return name, False
    number = int(match[1])
    return f"blocks.{blocks[number]}.{match[2]}", number >= depth


@dataclass(frozen=True)
class _Maps:
    """For each kind of places, int64 `(new,)`: the old place that each new one takes.

    query: float32 `(new attention,)`: what queries are scaled by, so that heads of another size
    attend as before.
    """

    places: dict[str, Tensor]
    query: Tensor


def _maps(old: dict[str, int], new: dict[str, int], random: torch.Generator) -> _Maps:
    """Heads are copied whole; where their size differs, also the places within each."""
    size, size_new = old["attention"] // old["heads"], new["attention"] // new["heads"]
    heads = _copies(old["heads"], new["heads"], random)
    within = _copies(size, size_new, random)
    count = torch.bincount(within, minlength=size)[within]
    # Attention divides by the root of the head's size and sums over its places.
    query = (size_new / size) ** 0.5 / count.float()
    return _Maps(
        {
            "hidden": _copies(old["hidden"], new["hidden"], random),
            "attention": (heads[:, None] * size + within).reshape(-1),
            "mlp": _copies(old["mlp"], new["mlp"], random),
        },
        query.repeat(new["heads"]),
    )


def _copies(old: int, new: int, random: torch.Generator) -> Tensor:
    """The first places as they are, the others repeat old ones in random order, none twice as
    often as another before all are."""
    rounds = [torch.arange(old)]
    while len(rounds) * old < new:
        rounds.append(torch.randperm(old, generator=random))
    return torch.cat(rounds)[:new]


def _grow(name: str, tensor: Tensor, maps: _Maps, random: torch.Generator) -> Tensor:
    rows, columns = _places(name)
    if rows is not None:
        tensor = tensor.index_select(0, maps.places[rows])
    if columns is not None and tensor.ndim == 2:
        tensor = _split(tensor, maps.places[columns], random)
    if ".query." in name:
        tensor = tensor * maps.query.view(-1, *[1] * (tensor.ndim - 1))
    return tensor


def _places(name: str) -> tuple[str | None, str | None]:
    if name.startswith("positions"):
        return "hidden", None
    part = re.sub(r"^blocks\.\d+\.|\.(weight|bias)$", "", name)
    return next(places for pattern, places in _PLACES.items() if re.fullmatch(pattern, part))


def _split(weight: Tensor, index: Tensor, random: torch.Generator) -> Tensor:
    """`(rows, old)` → `(rows, new)`: the copies of a place share its weight unevenly, in every row
    otherwise, and together have all of it."""
    shares = 0.5 + torch.rand(len(weight), len(index), generator=random)
    totals = weight.new_zeros(weight.shape).index_add_(1, index, shares)
    return weight.index_select(1, index) * (shares / totals.index_select(1, index))
