"""Reads p-Model files, which are untrusted.

The metadata are validated by a model, the tensors are checked against the architecture that the
metadata name, and no memory is allocated in sizes that the file merely claims.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

import tina_kit
from tina_kit.api import (
    Architecture,
    TinaKitError,
    UserError,
    abridged,
    file_problem,
    first_line,
    name_index,
)

NAME, VERSION = "tina-kit p-Model", 1
FORMAT = f"{NAME} {VERSION}"
LARGEST_SIDE = 4096
"""In pixels. Images are resized to the size in a file, so it must be bounded."""

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]


class Metadata(BaseModel):
    """The metadata in a p-Model's file besides the format. Other keys may have any JSON value.

    classes: in logit order; image_size: [height, width] in pixels; architecture: as in a recipe.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    classes: list[str] = Field(min_length=1)
    image_size: list[Side] = Field(min_length=2, max_length=2)
    architecture: dict[str, Any]

    @property
    def others(self) -> dict[str, Any]:
        """All but the classes and the image size."""
        return {"architecture": self.architecture, **(self.model_extra or {})}


def checked(values: Mapping[str, Any], what: str) -> Metadata:
    """Validate metadata. Raises UserError with a message that begins with `what`."""
    try:
        metadata = Metadata.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{what}: not the metadata of a p-Model: {place}: {first['msg']}") from None
    try:
        name_index(metadata.classes)
    except UserError as error:
        raise UserError(f"{what}: not the metadata of a p-Model: classes: {error}") from None
    return metadata


def read(path: Path) -> tuple[Metadata, dict[str, Tensor]]:
    """The metadata and tensors of a file. Raises UserError if it is not a valid p-Model."""
    from safetensors import safe_open

    if problem := file_problem(path):
        raise UserError(f"{path}: cannot read a p-Model: {problem}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = _metadata(file.metadata() or {}, path)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file can raise anything
        raise UserError(f"{path}: cannot read a p-Model: {first_line(error)[:300]}") from None
    unfit = [repr(name) for name, tensor in state.items() if not _usable(name, tensor)]
    if unfit:
        raise UserError(
            f"{path}: its weights are damaged: {abridged(unfit)} contain NaN, infinity or negative "
            "variances"
        )
    return metadata, state


def built(architecture: Architecture, classes: int, state: Mapping[str, Tensor]) -> nn.Module:
    """The module of an architecture with the tensors of a file, which must match exactly.

    It is first built on the meta device, since the file determines its size. Raises UserError that
    says how the tensors differ.
    """
    try:
        with torch.device("meta"), no_larger_than(state):
            outline = architecture.build(classes).state_dict()
    except _TooLarge as error:
        raise UserError(str(error)) from None
    except Exception:  # it computes with tensors while it is built, so it cannot be built on meta
        outline = None
    if outline is not None:
        _check_fit(state, outline)
    try:
        with no_larger_than(state):
            module = architecture.build(classes)
    except UserError:
        raise
    except _TooLarge as error:
        raise UserError(str(error)) from None
    except Exception as error:  # unusual options can cause any error
        raise UserError(f"its architecture cannot be built: {first_line(error)[:300]}") from None
    _check_fit(state, module.state_dict())
    module.load_state_dict(dict(state))
    return module


def in_order(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted by name; the library writes them in an order that
    differs from process to process."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def require_finite(state: Mapping[str, Tensor]) -> None:
    """Raise TinaKitError unless all weights are finite."""
    if any(t.is_floating_point() and not t.isfinite().all() for t in state.values()):
        raise TinaKitError(
            "the p-Model was not saved because its weights are not finite; the generator's "
            "training has diverged"
        )


def _metadata(raw: Mapping[str, str], path: Path) -> Metadata:
    stated = raw.get("format", "")
    found = re.fullmatch(rf"{NAME} ([1-9][0-9]{{0,8}})", stated)
    if not found:
        raise UserError(f"{path}: not a tina-kit p-Model (format {stated[:100]!r})")
    if int(found[1]) > VERSION:
        raise UserError(
            f"{path}: this p-Model has format {found[1]}, but tina-kit {tina_kit.__version__} "
            f"reads format {VERSION}; install a newer tina-kit"
        )
    values = {}
    for key, text in raw.items():
        if key != "format":
            try:
                values[key] = json.loads(text)
            except (ValueError, RecursionError):
                raise UserError(f"{path}: its metadata are damaged: {key[:100]!r}") from None
    return checked(values, str(path))


def _usable(name: str, tensor: Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    if name.endswith("running_var") and bool((tensor < 0).any()):  # batch norm takes its root
        return False
    return bool(tensor.isfinite().all())


def _check_fit(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    wrong = [f"{name} is missing" for name in expected if name not in state]
    wrong += [f"{name!r} is unexpected" for name in state if name not in expected]
    wrong += [
        f"{name} is {_form(state[name])} instead of {_form(tensor)}"
        for name, tensor in expected.items()
        if name in state and _form(state[name]) != _form(tensor)
    ]
    if wrong:
        raise UserError(f"its weights do not fit its architecture: {abridged(wrong)}")


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


class _TooLarge(Exception):
    pass


@contextmanager
def no_larger_than(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise _TooLarge while a module is being built whose parameters or submodules far exceed the
    tensors of a file, before its memory is touched."""
    left = [1000 + 20 * len(state), 2**20 + 4 * sum(tensor.numel() for tensor in state.values())]

    def count(module: nn.Module, name: str, added: Any) -> None:
        left[0] -= 1
        left[1] -= added.numel() if isinstance(added, Tensor) else 0
        if min(left) < 0:
            raise _TooLarge("its architecture is far larger than its weights")

    handles = [
        torch_module.register_module_parameter_registration_hook(count),
        torch_module.register_module_buffer_registration_hook(count),
        torch_module.register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
