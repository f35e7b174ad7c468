"""Reads third-party checkpoints without running their code, and finds the networks in them."""

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
"""Matches the names of files that `read_checkpoint` can read."""
_AVERAGED = re.compile(r"(^|[._])ema([._]|$)", re.IGNORECASE)
# Name components that wrappers insert: torch.compile, (Fully Sharded) Data Parallel, activation
# checkpointing.
_WRAPPERS = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_DEEPEST = 8  # nested mappings
_LONGEST = 32  # dotted components of a prefix

Shapes = Mapping[str, tuple[int, ...]]
Wanted = Shapes | Collection[str] | Callable[[str], bool]
"""The names of a network's tensors, with or without their shapes, or a predicate on names."""


def read_checkpoint(path: Path) -> Any:
    """The content of a `.safetensors` file or of one written by `torch.save`, with its tensors on
    the CPU. Code in the file is never run.

    Raises UserError (`PATH: what is wrong`) if the file cannot be read, is damaged, or contains
    anything but tensors and plain values.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # about unusual pickles, which are rejected below
            warnings.simplefilter("ignore")
            # Files in the older, non-zip format cannot be memory-mapped.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except MemoryError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file can raise anything
        raise UserError(
            f"{path}: {_reason(error)}. Expected a .safetensors file or a state dict saved by "
            "torch.save"
        ) from None


def _reason(error: Exception) -> str:
    text = str(error)
    # Torch's own message advises running the code in the file.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in text:
        return "damaged, or contains more than tensors (code in a file is never run)"
    if isinstance(error, (RuntimeError, SafetensorError)) and text:
        return f"cannot be loaded: {text.splitlines()[0]}"
    return "damaged or not a checkpoint"


@dataclass(frozen=True)
class StateDict:
    """The tensors of a network in a checkpoint.

    tensors: by the network's own names, on the CPU.
    place: the dotted keys that lead to them in the checkpoint; "" for its top level.
    prefix: the prefix that was removed from all names. others: the names there without this prefix.
    """

    tensors: Mapping[str, Tensor]
    place: str = ""
    prefix: str = ""
    others: tuple[str, ...] = ()

    @property
    def averaged(self) -> bool:
        """Whether these are averaged (EMA) weights."""
        return bool(_AVERAGED.search(f"{self.place}.{self.prefix}"))

    def misfit(self, shapes: Shapes, exact: bool = False) -> str:
        """Why the tensors do not fit a network of these shapes, "" if they do: tensors of a
        different shape, missing ones, and with `exact` those that the network lacks. Names the
        first few of each."""
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

    It may be in any mapping within the checkpoint (`model`, `state_dict`, `net`, ...), and its
    names may share any prefix (`module.`, `_orig_mod.`, `model.`, ...). If the checkpoint holds a
    network and its average (a key or prefix that contains `ema`), the average is used. Raises
    UserError (`PATH: what is wrong`) as `read_checkpoint` does, if there are no named tensors, and
    if several different networks match.
    """
    try:
        return find_state_dict(state_dicts(read_checkpoint(path)), wanted)
    except LookupError as problem:
        raise UserError(f"{path}: {problem}") from None


def check_finite(tensors: Mapping[str, Tensor], source: str) -> None:
    """Raise UserError (`SOURCE: not finite: NAMES`) if any of the tensors, of any dtype and shape
    `(...)`, contains NaN or infinity."""
    if broken := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{source}: not finite: {abridged(broken)}")


def state_dicts(content: Any) -> dict[str, dict[str, Tensor]]:
    """Every mapping from names to tensors in a checkpoint, by the dotted keys that lead to it."""
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
    """See `read_state_dict`. states: as `state_dicts` returns them. Raises LookupError."""
    if not states:
        raise LookupError("contains no weights (no named tensors)")
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
    """The networks with the most wanted names, and whether those are all of them; where several
    prefixes match equally well, no prefix is preferred."""
    found = _candidates(states, wanted.__contains__)
    most = max((count for count, _, _ in found), default=0)
    best = [(place, prefix) for count, place, prefix in found if count == most]
    own = {place for place, prefix in best if not prefix}
    kept = [(place, prefix) for place, prefix in best if not prefix or place not in own]
    return [_under(states[place], place, prefix) for place, prefix in kept], most == len(wanted)


def _candidates(
    states: Mapping[str, Mapping[str, Tensor]], is_wanted: Callable[[str], bool]
) -> list[tuple[int, str, str]]:
    """Every place and prefix with wanted names: (how many, place, prefix)."""
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
    """Raise LookupError unless all networks have the same wanted tensors."""
    meant = [{n: t for n, t in each.tensors.items() if is_wanted(n)} for each in networks]
    if not all(_equal(meant[0], other) for other in meant[1:]):
        places = " and ".join(_words(each.place, each.prefix) for each in networks)
        raise LookupError(
            f"{len(networks)} different networks match ({places}); save the one you mean to a file "
            "of its own"
        )


def _words(place: str, prefix: str) -> str:
    words = [f"under the key '{place}'"] * bool(place)
    words += [f"with the prefix '{prefix}'"] * bool(prefix)
    return " ".join(words) or "at the top level"


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)


def _same(one: Tensor, other: Tensor) -> bool:
    plain = all(t.layout == torch.strided and not t.is_meta for t in (one, other))
    return one is other or (plain and torch.equal(one, other))


def _unwrapped(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The state with wrapper components removed from its names; unchanged if names would clash."""
    plain = {
        ".".join(word for word in name.split(".") if word not in _WRAPPERS): tensor
        for name, tensor in state.items()
    }
    return plain if len(plain) == len(state) else state
