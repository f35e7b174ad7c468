"""Gathers p-Models that were fine-tuned elsewhere, one file each, into a zoo.

Only tensors are read from the files; code in them is never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import (
    Architecture,
    Layout,
    StateDict,
    UserError,
    abridged,
    file_problem,
    name_key,
    read_checkpoint,
)
from tina_kit.api.checkpoints import Shapes, find_state_dict, state_dicts
from tina_kit.zoo.sources import Sources, Unfit

_LISTED = 5  # files that an error lists


@dataclass(frozen=True)
class Gathered:
    """vectors: float32 `(T, P)` in the architecture's layout for C classes, zeros for the rows of
    absent classes; tasks: int64 `(T, C)`, indices into `class_names`, -1 where absent.

    ignored: the number of tensors in all files that the architecture does not generate;
        ignored_names: their names; by_order: the number of p-Models whose tensors were matched by
        order because their names differ; averaged: the number for which averaged weights were used.
    left_out: files that are not p-Models, and entries of class lists without a p-Model.
    """

    class_names: tuple[str, ...]
    tasks: Tensor
    vectors: Tensor
    ignored: int
    by_order: int
    ignored_names: tuple[str, ...] = ()
    averaged: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _PModel:
    classes: tuple[str, ...]
    vector: Tensor  # (P_c,) in the layout of its own classes
    ignored: tuple[str, ...]
    by_order: bool
    averaged: bool


def gather(source: Path, architecture: Architecture) -> Gathered:
    """Read every checkpoint in a folder and its subfolders, sorted by name.

    The classes of `DIR/NAME.pth`, in logit order, are listed next to it in `DIR/NAME.json` (a list)
    or `DIR/NAME.txt` (one name per line), or in a `classes.json` in its folder or a parent folder,
    which maps names to lists: `NAME` in its own folder, `DIR/NAME` in the parent. A p-Model that
    was saved in several formats is used once. Raises a single UserError that lists the problem of
    each file.
    """
    sources = Sources.below(source)
    if not sources.p_models:
        raise UserError(
            f"{source}: contains neither a zoo (zoo.json) nor p-Models (.pt, .pth, .bin, .ckpt, "
            ".pkl, .safetensors)"
        )
    layout = cache(architecture.layout)
    models, problems, copies = [], [], []
    for name, paths in sources.p_models.items():
        first = paths[0].relative_to(source).as_posix()
        try:
            classes = sources.classes(name)
            model, *others = [_read(path, classes, layout(len(classes))) for path in paths]
            if different := [p for p, o in zip(paths[1:], others) if not _same(model, o)]:
                raise Unfit(f"{different[0].name} is a different p-Model of this name; rename one")
            models.append(model)
            copies += [path.relative_to(source).as_posix() for path in paths[1:]]
        except Unfit as problem:
            problems.append(f"{first}: {problem}")
    if problems:
        listed = problems[:_LISTED]
        if len(problems) > _LISTED:
            listed.append(f"and {len(problems) - _LISTED} more")
        raise UserError(
            f"{source}: {len(problems)} of {len(sources.p_models)} p-Models cannot be used; "
            "nothing was written:" + "".join(f"\n  {line}" for line in listed)
        )
    return _stacked(models, architecture, (*copies, *sources.left_out()))


def _same(one: _PModel, other: _PModel) -> bool:
    return torch.equal(one.vector, other.vector)


def _read(path: Path, classes: tuple[str, ...], layout: Layout) -> _PModel:
    if problem := file_problem(path):
        raise Unfit(problem)
    try:
        content = read_checkpoint(path)
    except UserError as error:
        raise Unfit(str(error).removeprefix(f"{path}: ")) from None
    if not isinstance(content, Mapping):
        raise Unfit("it contains no state dict")
    return _model(state_dicts(content), classes, layout)


def _model(
    states: Mapping[str, dict[str, Tensor]], classes: tuple[str, ...], layout: Layout
) -> _PModel:
    wanted = {p.name: p.shape for p in layout.parameters}
    try:
        found = find_state_dict(states, wanted)
    except LookupError as problem:
        raise Unfit(str(problem)) from None
    by_order = not wanted.keys() <= found.tensors.keys()
    if by_order:
        found = _in_order(states, wanted, found)
    if wrong := found.misfit(wanted):
        raise Unfit(f"{wrong} (for {len(classes)} classes)")
    state = found.tensors
    if odd := [n for n in wanted if not (state[n].is_floating_point() and _dense(state[n]))]:
        raise Unfit(f"{abridged(odd)}: not a dense floating-point tensor")
    vector = layout.flatten({name: state[name].detach().float() for name in wanted})
    if unfit := int((~vector.isfinite()).sum()):
        raise Unfit(f"{unfit} of its {len(vector)} parameters are NaN or infinite")
    ignored = (*(name for name in state if name not in wanted), *found.others)
    return _PModel(classes, vector, ignored, by_order, found.averaged)


def _in_order(
    states: Mapping[str, dict[str, Tensor]], wanted: Shapes, nearest: StateDict
) -> StateDict:
    """The only network whose tensors have the wanted shapes in the wanted order.

    nearest: the network with the most wanted names, for the message. Raises Unfit.
    """
    fitting = {
        place: dict(zip(wanted, state.values()))
        for place, state in states.items()
        if [tuple(tensor.shape) for tensor in state.values()] == list(wanted.values())
        # A wanted name must not be in the position of another one.
        and all(name == mine for mine, name in zip(wanted, state) if name in wanted)
    }
    if not fitting:
        raise Unfit(_other_names(nearest.tensors, wanted))
    try:
        return find_state_dict(fitting, wanted)
    except LookupError as problem:
        raise Unfit(str(problem)) from None


def _dense(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta


def _other_names(state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> str:
    lacking = abridged([f"{n} {s}" for n, s in wanted.items() if n not in state])
    there = abridged([f"{n} {tuple(t.shape)}" for n, t in state.items() if n not in wanted])
    return f"it lacks {lacking}" + (f", and has {there}" if there else "")


def _stacked(
    models: Sequence[_PModel], architecture: Architecture, left_out: tuple[str, ...]
) -> Gathered:
    names: dict[str, str] = {}  # with the spelling of the first p-Model
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
        sum(len(model.ignored) for model in models),
        sum(model.by_order for model in models),
        tuple(dict.fromkeys(name for model in models for name in model.ignored)),
        sum(model.averaged for model in models),
        left_out,
    )


def _with_absent(vectors: Tensor, layout: Layout, whole: Layout) -> Tensor:
    """`(M, P_c)` in the layout of c classes → `(M, P)` in that of C ≥ c, zeros for the rest."""
    tensors = layout.unflatten(vectors)
    for p in whole.parameters:
        if p.class_axis is not None:
            tensor = tensors[p.name]
            after = 2 * (tensor.ndim - 2 - p.class_axis)  # F.pad starts from the last axis
            lacking = p.shape[p.class_axis] - tensor.shape[p.class_axis + 1]
            tensors[p.name] = F.pad(tensor, (*([0] * after), 0, lacking))
    return whole.flatten(tensors)
