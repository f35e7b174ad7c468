"""A zoo as a self-contained folder: p-Models and their tasks, to keep, share and learn from.

`zoo.safetensors` holds `vectors`, float32 `(T, P)`, and `tasks`, int64 `(T, C)`; `zoo.json`
describes them. It is written last, so that only a complete folder is a zoo.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from tina_kit.api import Layout, Options, Parameter, UserError, file_problem, name_index, read_text
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing, write_json

FORMAT, VERSION = "tina-kit zoo", 1
TENSORS, MANIFEST = "zoo.safetensors", "zoo.json"
_LISTED = 5  # differences that an error lists
_DTYPES = {"vectors": torch.float32, "tasks": torch.int64}


@dataclass(frozen=True)
class ZooArchive:
    """A zoo in memory.

    vectors: float32 `(T, P)` in `layout`, the architecture's layout for C classes.
    tasks: int64 `(T, C)`, indices into `class_names`; tasks with fewer classes end in -1.
    architecture: as a recipe would write it, with every default.
    origin: where the p-Models come from; `generic`, if known, is the key of the generic model whose
        parameters they share.
    """

    class_names: tuple[str, ...]
    architecture: Mapping[str, Any]
    layout: Layout
    tasks: Tensor
    vectors: Tensor
    origin: Mapping[str, Any] = field(default_factory=dict)


class _ParameterEntry(Options):
    name: str
    shape: tuple[int, ...]
    layer: str = ""
    class_axis: int | None = Field(None, ge=0)


class _Counts(Options):
    tasks: int = Field(ge=1)
    classes: int = Field(ge=2)
    parameters: int = Field(ge=1)


class _Manifest(Options):
    format: str
    version: int
    classes: tuple[str, ...] = Field(min_length=2)
    architecture: dict[str, Any]
    layout: tuple[_ParameterEntry, ...] = Field(min_length=1)
    counts: _Counts
    origin: dict[str, Any] = Field(default_factory=dict)


def check_place(folder: Path) -> None:
    """Raise UserError unless a zoo can be written to `folder`: it must not be a file or contain a
    zoo, and its parent folder must exist."""
    if (folder / MANIFEST).exists():
        raise UserError(f"{folder}: this folder already contains a zoo; choose another folder")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; choose another folder")
    above = Path(os.path.realpath(folder)).parent
    if not above.is_dir():
        raise UserError(f"{folder}: there is no folder {above}")


def write(archive: ZooArchive, folder: Path) -> None:
    """Write a zoo to a folder that contains none. Raises UserError if that is not possible."""
    from safetensors.torch import save_file

    check_place(folder)
    tasks, classes = archive.tasks.shape
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "classes": list(archive.class_names),
        "architecture": dict(archive.architecture),
        "layout": [
            {"name": p.name, "shape": list(p.shape), "layer": p.layer, "class_axis": p.class_axis}
            for p in archive.layout.parameters
        ],
        "counts": {"tasks": tasks, "classes": classes, "parameters": archive.layout.size},
        "origin": dict(archive.origin),
    }
    tensors = {"vectors": archive.vectors.contiguous(), "tasks": archive.tasks.contiguous()}
    place = Path(os.path.realpath(folder))
    try:
        with explaining(folder, OUTPUT_REMEDY):
            try:
                with replacing(place / TENSORS) as draft:
                    save_file(tensors, draft)
                write_json(place / MANIFEST, manifest)
            except PermissionError as error:  # the user's mistake, not a failure of the disk
                raise _refused(folder, error) from None
    except OSError as error:
        raise _refused(folder, error) from None


def _refused(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder}: cannot write a zoo here: {error.strerror}")


def read(folder: Path, finite: bool = True) -> ZooArchive:
    """Read a zoo. Its vectors are memory-mapped.

    finite: read all vectors to check that they are finite. Raises UserError naming the file and
    what is wrong with it. Whether the layout fits an architecture is left to `check_layout`.
    """
    manifest = _manifest(folder / MANIFEST)
    layout = Layout(
        tuple(Parameter(p.name, p.shape, p.layer or p.name, p.class_axis) for p in manifest.layout)
    )
    _check_counts(folder / MANIFEST, manifest, layout)
    tensors = _tensors(folder / TENSORS)
    counts = manifest.counts
    shapes = {
        "vectors": (counts.tasks, counts.parameters),
        "tasks": (counts.tasks, counts.classes),
    }
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            raise UserError(
                f"{folder / TENSORS}: {name} has shape {tuple(tensors[name].shape)}, but {shape} "
                f"in {MANIFEST}"
            )
    if problem := _wrong_tasks(tensors["tasks"], len(manifest.classes)):
        raise UserError(f"{folder / TENSORS}: tasks: {problem}")
    if finite and len(bad := (~tensors["vectors"].isfinite().all(1)).nonzero()):
        raise UserError(
            f"{folder / TENSORS}: {len(bad)} p-Models contain NaN or infinity, first number "
            f"{int(bad[0])}"
        )
    return ZooArchive(
        manifest.classes,
        manifest.architecture,
        layout,
        tensors["tasks"],
        tensors["vectors"],
        manifest.origin,
    )


def check_layout(layout: Layout, expected: Layout, what: str) -> None:
    """Raise UserError unless both have the same names, shapes and class axes in the same order."""
    mine, theirs = ([_text(p) for p in each.parameters] for each in (layout, expected))
    if mine == theirs:
        return
    pairs = [f"{a} instead of {b}" for a, b in zip(mine, theirs) if a != b]
    pairs += [f"{a}, which this architecture lacks" for a in mine[len(theirs) :]]
    pairs += [f"no {b}" for b in theirs[len(mine) :]]
    more = f"; and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else ""
    raise UserError(
        f"{what}: its p-Models have a different architecture: {'; '.join(pairs[:_LISTED])}{more}"
    )


def _text(parameter: Parameter) -> str:
    axis = "" if parameter.class_axis is None else f" (classes on axis {parameter.class_axis})"
    return f"{parameter.name} {parameter.shape}{axis}"


def _manifest(path: Path) -> _Manifest:
    if not path.is_file():
        raise UserError(f"{path.parent}: not a zoo: it contains no {path.name}")
    try:
        text = read_text(path)
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise UserError(f"{path}: not a tina-kit zoo (format {found!r})")
    if raw.get("version") != VERSION:
        raise UserError(
            f"{path}: this zoo has format version {raw.get('version')!r}, but this tina-kit reads "
            f"version {VERSION}"
        )
    try:
        manifest = _Manifest.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{path}: {place}: {first['msg']}") from None
    try:
        name_index(manifest.classes)
    except UserError as error:
        raise UserError(f"{path}: classes: {error}") from None
    return manifest


def _check_counts(path: Path, manifest: _Manifest, layout: Layout) -> None:
    names = [p.name for p in layout.parameters]
    for p in layout.parameters:
        if min(p.shape, default=1) < 1 or names.count(p.name) > 1:
            raise UserError(f"{path}: layout: {p.name} {p.shape} is empty or a duplicate")
        axis = p.class_axis
        if axis is not None and p.shape[axis : axis + 1] != (manifest.counts.classes,):
            raise UserError(
                f"{path}: layout: {_text(p)} does not have a task's {manifest.counts.classes} "
                "classes on that axis"
            )
    if layout.size != manifest.counts.parameters:
        raise UserError(
            f"{path}: the layout has {layout.size} entries, but counts.parameters is "
            f"{manifest.counts.parameters}"
        )


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if problem := file_problem(path):
        raise UserError(f"{path}: cannot be read: {problem}")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if set(tensors) != set(_DTYPES):
        found = ", ".join(sorted(tensors))
        raise UserError(f"{path}: it must contain vectors and tasks, not {found}")
    for name, dtype in _DTYPES.items():
        if tensors[name].dtype != dtype:
            raise UserError(f"{path}: {name} must be {dtype}, not {tensors[name].dtype}")
    return tensors


def _wrong_tasks(tasks: Tensor, classes: int) -> str | None:
    if tasks.min() < -1 or tasks.max() >= classes:
        return f"entries must be -1 or the index of one of the {classes} classes"
    present = tasks >= 0
    if (present[:, 1:] & ~present[:, :-1]).any():
        return "-1 may only appear at the end of a task"
    if (present.sum(1) < 2).any():
        return "a task must have at least two classes"
    ordered = tasks.sort(1).values
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        return "a task contains a class twice"
    return None
