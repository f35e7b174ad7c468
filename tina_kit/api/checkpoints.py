"""Checkpoints of others, read as tensors alone, and the networks that are found in them."""

from __future__ import annotations

import pickle
import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tina_kit.api.errors import UserError
from tina_kit.api.messages import abridged

CHECKPOINT = re.compile(r"\.(safetensors|pt|pth|bin|ckpt|pkl|pickle)(\.tar)?$", re.IGNORECASE)
"""How the names of files end that `read_checkpoint` reads."""
_AVERAGED = re.compile(r"(^|[._])ema([._]|$)", re.IGNORECASE)
# What wrappers put into names wherever they are: torch.compile, (Fully Sharded) Data Parallel,
# activation checkpointing.
_WRAPPERS = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_DEEPEST = 8  # mappings within mappings
_LONGEST = 32  # words of a prefix

Shapes = Mapping[str, tuple[int, ...]]
Wanted = Shapes | Collection[str] | Callable[[str], bool]
"""The names of a network's tensors, with or without their shapes, or what says of a name whether it
is one."""


def read_checkpoint(path: Path) -> Any:
    """What a `.safetensors` file or one of `torch.save` holds, its tensors on the CPU. No code in a
    file is ever run.

    Raises UserError, `PATH: what is wrong`, for a file that cannot be read, is damaged, or holds
    more than tensors and plain values.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of unusual pickles, which are refused below
            warnings.simplefilter("ignore")
            # A file of the older format cannot be mapped.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except MemoryError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file fails in any way
        raise UserError(
            f"{path}: {_reason(error)}. Expected a .safetensors file or a state dict saved by "
            "torch.save"
        ) from None


def _reason(error: Exception) -> str:
    message = str(error)
    # torch's own words advise to run what the file holds.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in message:
        return "it is damaged or holds more than tensors, and code in a file is never run"
    if isinstance(error, (RuntimeError, SafetensorError)) and message:
        return f"it cannot be loaded: {message.splitlines()[0]}"
    return "it is damaged or no checkpoint"


@dataclass(frozen=True)
class StateDict:
    """The tensors of a network in a checkpoint.

    tensors: by the network's own names, on the CPU.
    place: the keys of the checkpoint that lead to them, joined by dots; "" where they are its own.
    prefix: what stood before all names. others: the names there that do not begin with it.
    """

    tensors: Mapping[str, Tensor]
    place: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()

    @property
    def averaged(self) -> bool:
        """Whether it is the average of a training."""
        return bool(_AVERAGED.search(f"{self.place}.{self.prefix}"))

    def misfit(self, shapes: Shapes, exact: bool = False) -> str:
        """What keeps the tensors from being a network of these shapes, "" for nothing: those of
        another shape with both shapes, those that are missing, and with `exact` those that the
        network does not have. The first few of each are named."""
        mine = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        other = [
            f"{name} is {mine[name]} instead of {shape}"
            for name, shape in shapes.items()
            if name in mine and mine[name] != shape
        ]
        missing = [f"{name} {shape}" for name, shape in shapes.items() if name not in mine]
        unexpected = [f"{name} {mine[name]}" for name in mine if exact and name not in shapes]
        problems = [abridged(other)] * bool(other)
        problems += [f"it lacks {abridged(missing)}"] * bool(missing)
        problems += [f"the network has no {abridged(unexpected)}"] * bool(unexpected)
        return "; ".join(problems)


def read_state_dict(path: Path, wanted: Wanted) -> StateDict:
    """The network in a checkpoint that has the wanted names, or most of them.

    It may lie in any mapping within the checkpoint (`model`, `state_dict`, `net`, ...), under any
    prefix that its names have in common (`module.`, `_orig_mod.`, `model.`, ...). Of a network and
    its average over the training (a key or prefix with `ema` in it) the average is taken. Raises
    UserError, `PATH: what is wrong`, as `read_checkpoint` does, where there are no tensors with
    names, and where several different networks fit.
    """
    try:
        return find_state_dict(state_dicts(read_checkpoint(path)), wanted)
    except LookupError as problem:
        raise UserError(f"{path}: {problem}") from None


def check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """Raise UserError, `SOURCE: not finite: NAMES`, where tensors of any dtype and shape, `(...)`,
    hold NaN or infinity."""
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{source}: not finite: {abridged(broken)}")


def state_dicts(content: Any) -> dict[str, dict[str, Tensor]]:
    """Every mapping in a checkpoint that holds tensors under names, by the keys that lead to it."""
    found: dict[str, dict[str, Tensor]] = {}
    seen: set[int] = set()

    def visit(inner: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(inner, Mapping) or id(inner) in seen:
            return
        seen.add(id(inner))
        named = {k: t for k, t in inner.items() if isinstance(k, str) and isinstance(t, Tensor)}
        if named:
            found[".".join(keys)] = named
        for key, value in inner.items() if len(keys) < _DEEPEST else ():
            visit(value, (*keys, str(key)))

    visit(content, ())
    return found


def find_state_dict(states: Mapping[str, Mapping[str, Tensor]], wanted: Wanted) -> StateDict:
    """See `read_state_dict`. states: as `state_dicts` finds them. Raises LookupError."""
    if not states:
        raise LookupError("holds no weights: there are no tensors with names in it")
    if callable(wanted):
        found = _candidates(states, wanted)
        networks = [_under(states[place], place, prefix) for _, place, prefix in found]
    else:
        networks, whole = _most(states, set(wanted))
        if not whole:
            unwrapped = {place: _unwrapped(state) for place, state in states.items()}
            inside, whole = _most(unwrapped, set(wanted))
            networks = inside if whole else networks
        if isinstance(wanted, Mapping):
            networks = [n for n in networks if not n.misfit(wanted)] or networks
    if not networks:
        most = max(map(len, states.values()))
        large = [place for place, state in states.items() if len(state) > most / 2]
        large.sort(key=lambda place: -len(states[place]))
        networks, whole = [_under(states[place], place, "") for place in large], False
    networks = [network for network in networks if network.averaged] or networks
    if callable(wanted) or whole:
        is_wanted = wanted if callable(wanted) else set(wanted).__contains__
        _check_unambiguous(networks, is_wanted)
    return networks[0]


def _most(
    states: Mapping[str, Mapping[str, Tensor]], wanted: set[str]
) -> tuple[list[StateDict], bool]:
    """The networks with the most wanted names, and whether those are all; of several prefixes at
    one place, none at all is the network's own."""
    found = _candidates(states, wanted.__contains__)
    most = max((count for count, _, _ in found), default=0)
    best = [(place, prefix) for count, place, prefix in found if count == most]
    own = {place for place, prefix in best if not prefix}
    kept = [(place, prefix) for place, prefix in best if not prefix or place not in own]
    return [_under(states[place], place, prefix) for place, prefix in kept], most == len(wanted)


def _candidates(
    states: Mapping[str, Mapping[str, Tensor]], is_wanted: Callable[[str], bool]
) -> list[tuple[int, str, str]]:
    """All places and prefixes under which there are wanted names, and how many of them."""
    found = []
    for place, state in states.items():
        counts = Counter(prefix for name in state for prefix in _prefixes(name, is_wanted))
        found += [(count, place, prefix) for prefix, count in counts.items()]
    return found


def _under(state: Mapping[str, Tensor], place: str, prefix: str) -> StateDict:
    inside = {n[len(prefix) :]: tensor for n, tensor in state.items() if n.startswith(prefix)}
    return StateDict(inside, place, prefix, tuple(n for n in state if not n.startswith(prefix)))


def _prefixes(name: str, is_wanted: Callable[[str], bool]) -> Iterator[str]:
    start = 0
    for _ in range(_LONGEST):
        if is_wanted(name[start:]):
            yield name[:start]
        start = name.find(".", start) + 1
        if not start:
            return


def _check_unambiguous(networks: list[StateDict], is_wanted: Callable[[str], bool]) -> None:
    """Raise LookupError unless the wanted tensors of all are equal."""
    meant = [{n: t for n, t in each.tensors.items() if is_wanted(n)} for each in networks]
    if not all(_equal(meant[0], other) for other in meant[1:]):
        places = " and ".join(_words(each.place, each.prefix) for each in networks)
        raise LookupError(
            f"it holds {len(networks)} different networks that fit, {places}; save the one that is "
            "meant in a file of its own"
        )


def _words(place: str, prefix: str) -> str:
    places = [f"under the key '{place}'"] * bool(place)
    places += [f"with the prefix '{prefix}'"] * bool(prefix)
    return " ".join(places) or "its own tensors"


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: Tensor, other: Tensor) -> bool:
    plain = all(t.layout == torch.strided and not t.is_meta for t in (one, other))
    return one is other or (plain and torch.equal(one, other))


def _unwrapped(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same without what wrappers put into names; as it is where names would become equal."""
    plain = {
        ".".join(word for word in name.split(".") if word not in _WRAPPERS): tensor
        for name, tensor in state.items()
    }
    return plain if len(plain) == len(state) else state
