"""p-Models that somebody else fine-tuned, one PyTorch file each, become one zoo.

Files are read as tensors alone: no code in them is ever run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import (
    Architecture,
    Layout,
    UserError,
    name_index,
    name_key,
    read_checkpoint,
    read_text,
)

SUFFIXES = (".pth", ".pt")
CLASSES = "classes.json"
_TOLD = 5  # files that an error lists, and names of each
_NESTED = ("state_dict", "model")
_PREFIX = "module."  # of DataParallel


@dataclass(frozen=True)
class Gathered:
    """vectors: float32 `(T, P)` in the architecture's layout for C classes, zeros for the rows of
    absent classes; tasks: int64 `(T, C)`, indices into `class_names`, -1 where absent.

    ignored: entries of all files that the architecture does not generate.
    by_order: p-Models whose tensors were matched by their order, since the names differ.
    """

    class_names: tuple[str, ...]
    tasks: Tensor
    vectors: Tensor
    ignored: int
    by_order: int


@dataclass(frozen=True)
class _PModel:
    classes: tuple[str, ...]
    vector: Tensor  # (P_c,) in the layout of its own classes
    ignored: int
    by_order: bool


class _Unfit(Exception):
    """What about one file does not fit."""


def gather(source: Path, architecture: Architecture) -> Gathered:
    """Read every `.pth` and `.pt` of a folder, in the order of their names.

    The classes of `NAME.pth` stand in `NAME.json` (a list), in `NAME.txt` (a name a line) or in
    `classes.json` (NAME → list), in the order of its logits. A file holds a state dict, or a dict
    with one under `state_dict` or `model`. Raises one UserError that says of each file what does
    not fit.
    """
    files = sorted(path for path in source.glob("*") if path.suffix in SUFFIXES)
    if not files:
        raise UserError(
            f"{source}: here is neither a zoo (zoo.json) nor any p-Model ({', '.join(SUFFIXES)})"
        )
    together = _together(source / CLASSES)
    layout = cache(architecture.layout)
    models, problems = [], []
    for path in files:
        try:
            classes = _classes(path, together)
            models.append(_model(_state(path), classes, layout(len(classes))))
        except _Unfit as problem:
            problems.append(f"{path.name}: {problem}")
    if problems:
        told = problems[:_TOLD]
        if len(problems) > _TOLD:
            told.append(f"and {len(problems) - _TOLD} more")
        raise UserError(
            f"{source}: {len(problems)} of {len(files)} p-Models do not fit, nothing was written:"
            + "".join(f"\n  {line}" for line in told)
        )
    return _stacked(models, architecture)


def _together(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    lists = _json(path)
    if not isinstance(lists, dict):
        raise UserError(f"{path}: it must map names of p-Models to lists of their classes")
    return lists


def _classes(path: Path, together: Mapping[str, Any]) -> tuple[str, ...]:
    listed, lines = path.with_suffix(".json"), path.with_suffix(".txt")
    try:
        places = None
        if listed.is_file() and listed.name != CLASSES:
            where, names = listed.name, _json(listed)
        elif lines.is_file():
            numbered = list(enumerate(map(str.strip, read_text(lines).split("\n")), 1))
            where, names = lines.name, [name for _, name in numbered if name]
            places = [f"line {number}" for number, name in numbered if name]
        elif path.stem in together:
            where, names = CLASSES, together[path.stem]
        else:
            raise _Unfit(f"no class list ({listed.name}, {lines.name} or {path.stem} in {CLASSES})")
    except UserError as error:
        raise _Unfit(f"its class list cannot be read: {error}") from None
    if not isinstance(names, list) or len(names) < 2:
        raise _Unfit(f"its classes in {where} must be a list of at least two names")
    try:
        name_index(names, places)
    except UserError as error:
        raise _Unfit(f"its classes in {where}: {error}") from None
    return tuple(names)


def _json(path: Path) -> Any:
    """Raises UserError where a key is listed twice, of which JSON itself would take the last."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"{key} is listed twice")
            found[key] = value
        return found

    try:
        return json.loads(read_text(path), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _state(path: Path) -> dict[str, Tensor]:
    try:
        content = read_checkpoint(path)
    except UserError as error:
        raise _Unfit(str(error).removeprefix(f"{path}: ")) from None
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise _Unfit("it holds no state dict")
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise _Unfit("it holds no tensors by name")
    if all(name.startswith(_PREFIX) for name in state):
        state = {name.removeprefix(_PREFIX): tensor for name, tensor in state.items()}
    return state


def _model(state: dict[str, Tensor], classes: tuple[str, ...], layout: Layout) -> _PModel:
    wanted = {p.name: p.shape for p in layout.parameters}
    by_order = not wanted.keys() <= state.keys()
    if by_order:
        if [tuple(tensor.shape) for tensor in state.values()] != list(wanted.values()):
            raise _Unfit(_other_names(state, wanted))
        state = dict(zip(wanted, state.values()))
    wrong = [
        f"{name} is {tuple(state[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if tuple(state[name].shape) != shape
    ]
    if wrong:
        raise _Unfit(f"{_few(wrong)} (for {len(classes)} classes)")
    if odd := [n for n in wanted if not (state[n].is_floating_point() and _dense(state[n]))]:
        raise _Unfit(f"{_few(odd)}: only dense tensors of floating point numbers are read")
    vector = layout.flatten({name: state[name].detach().float() for name in wanted})
    if unfit := int((~vector.isfinite()).sum()):
        raise _Unfit(f"{unfit} of its {len(vector)} parameters are not finite numbers")
    return _PModel(classes, vector, len(state) - len(wanted), by_order)


def _dense(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta


def _other_names(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> str:
    lacking = _few([f"{n} {s}" for n, s in wanted.items() if n not in state])
    there = _few([f"{n} {tuple(t.shape)}" for n, t in state.items() if n not in wanted])
    return f"it lacks {lacking}" + (f", and has {there}" if there else "")


def _few(words: Sequence[str]) -> str:
    more = f" and {len(words) - _TOLD} more" if len(words) > _TOLD else ""
    return ", ".join(words[:_TOLD]) + more


def _stacked(models: Sequence[_PModel], architecture: Architecture) -> Gathered:
    names: dict[str, str] = {}  # a class is spelled as the first p-Model spells it
    for model in models:
        for name in model.classes:
            names.setdefault(name_key(name), name)
    numbers = {key: number for number, key in enumerate(names)}
    counts = torch.tensor([len(model.classes) for model in models])
    longest = int(counts.max())
    whole = architecture.layout(longest)
    vectors = torch.zeros(len(models), whole.size)
    tasks = torch.full((len(models), longest), -1)
    for count in counts.unique().tolist():
        some = (counts == count).nonzero().squeeze(1)
        alike = [models[index] for index in some.tolist()]
        tasks[some, :count] = torch.tensor(
            [[numbers[name_key(n)] for n in m.classes] for m in alike]
        )
        vectors[some] = _with_absent(
            torch.stack([model.vector for model in alike]), architecture.layout(count), whole
        )
    return Gathered(
        tuple(names.values()),
        tasks,
        vectors,
        sum(model.ignored for model in models),
        sum(model.by_order for model in models),
    )


def _with_absent(vectors: Tensor, layout: Layout, whole: Layout) -> Tensor:
    """`(M, P_c)` in the layout of c classes → `(M, P)` in that of C ≥ c, zeros for the rest."""
    tensors = layout.unflatten(vectors)
    for p in whole.parameters:
        if p.class_axis is not None:
            tensor = tensors[p.name]
            after = 2 * (tensor.ndim - 2 - p.class_axis)  # F.pad begins at the last axis
            lacking = p.shape[p.class_axis] - tensor.shape[p.class_axis + 1]
            tensors[p.name] = F.pad(tensor, (*([0] * after), 0, lacking))
    return whole.flatten(tensors)
