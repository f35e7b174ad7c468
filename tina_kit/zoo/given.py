"""Converts images in the forms that `PModel.predict` accepts."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from glob import glob, has_magic
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tina_kit.api import (
    UserError,
    abridged,
    list_images,
    printable,
    read_images,
    unreadable_images,
    user_path,
)

if TYPE_CHECKING:
    from PIL import Image

    from tina_kit.api.images import ImageSource

_LOG = logging.getLogger(__name__)
AT_ONCE = 1024  # images that are read together, which bounds memory
TAKEN = (
    "Pass image files, folders, Pillow images, uint8 arrays (H, W, 3), (H, W) or (N, 3, H, W), "
    "uint8 tensors (3, H, W) or (N, 3, H, W), or a list of these"
)


def image_batches(given: Any, size: tuple[int, int], at_once: int = AT_ONCE) -> Iterator[Tensor]:
    """Whatever `PModel.predict` accepts → uint8 `(n, 3, height, width)`, n ≤ `at_once`,
    preprocessed as in training.

    size: (height, width) in pixels. A folder stands for all images in it and its subfolders, sorted
    by name. Raises UserError for anything else, and for images that cannot be read. Nothing is read
    before it is asked for, so that `given` may be an iterator without end.
    """
    if isinstance(given, Tensor) and given.ndim == 4 and given.shape[2:] == size:
        _check_bytes(given, str(given.dtype).removeprefix("torch."))
        _check_shape(given, given.shape[1] == 3)
        if len(given):
            yield from given.split(at_once)
        return
    sources, first = _sources(given), 0
    while some := list(islice(sources, at_once)):
        yield _read(some, size, first)
        first += len(some)


def _read(sources: Sequence[ImageSource], size: tuple[int, int], first: int) -> Tensor:
    """first: how many images came before."""
    reasons: dict[int, str] = {}
    pixels = read_images(sources, size, reasons)
    if reasons:
        names = {place: _name(sources[place], first + place) for place in sorted(reasons)}
        told = {name: reasons[place] for place, name in names.items()}
        raise unreadable_images(told, "Replace or remove")
    return torch.from_numpy(pixels)


def _name(source: ImageSource, place: int) -> str:
    if isinstance(source, (str, os.PathLike)):
        return printable(os.fspath(source))
    return f"image {place} (counted from 0)"


def image_paths(given: str | os.PathLike[str]) -> list[str]:
    """The image files that a path stands for: itself, those in a folder and its subfolders, or
    those that match a pattern (`*`, `?`, `[…]`, `**`). Raises UserError if there are none."""
    return list(_files_of(given))


def _sources(given: Any) -> Iterator[ImageSource]:
    from PIL import Image

    if isinstance(given, (str, os.PathLike)):
        yield from _files_of(given)
    elif isinstance(given, Image.Image):
        yield given
    elif isinstance(given, Tensor):
        yield from _of_tensor(given)
    elif isinstance(given, np.ndarray):
        yield from _of_array(given)
    elif isinstance(given, Iterable) and not isinstance(given, (bytes, bytearray, Mapping, Set)):
        for one in given:
            if isinstance(one, Iterable) and not isinstance(
                one, (str, os.PathLike, Image.Image, Tensor, np.ndarray)
            ):
                raise _refused(f"a {type(given).__name__} that contains a {type(one).__name__}")
            yield from _sources(one)
    else:
        raise _refused(_kind(given))


def _files_of(given: str | os.PathLike[str]) -> Iterator[str]:
    path = os.fspath(given)
    path = path if os.path.lexists(path) else str(user_path(path))
    if os.path.lexists(path) or not has_magic(path):
        yield from _files(path)
        return
    found = sorted(glob(path, recursive=True))
    if not found:
        raise UserError(f"{printable(path)}: no file matches this pattern")
    # Below `**`, a folder's images match by themselves.
    for each in found:
        if not os.path.isdir(each):
            yield each
        elif "**" not in path:
            yield from _files(each)


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    found = list_images(path)
    if not found.images:
        found_instead = f", only {abridged(found.passed_over)}" if found.passed_over else ""
        raise UserError(f"{path}: there are no images in this folder{found_instead}")
    if found.note:
        _LOG.warning("%s: %s", path, found.note)
    yield from (os.path.join(path, name) for name in found.images)


def _of_tensor(tensor: Tensor) -> Iterator[Image.Image]:
    _check_bytes(tensor, str(tensor.dtype).removeprefix("torch."))
    _check_shape(tensor, tensor.ndim in (3, 4) and tensor.shape[-3] == 3)
    batch = tensor.detach().reshape(-1, *tensor.shape[-3:]).permute(0, 2, 3, 1)
    yield from map(_picture, batch.contiguous().cpu().numpy())


def _of_array(array: np.ndarray[Any, Any]) -> Iterator[Image.Image]:
    _check_bytes(array, str(array.dtype))
    if array.ndim == 2:
        yield _picture(array)
        return
    last, first = array.shape[-1:] == (3,), array.shape[-3:-2] == (3,)
    _check_shape(array, array.ndim in (3, 4) and (last or first))
    if last and first:
        raise UserError(
            f"an array of shape {array.shape} is ambiguous: channels may come first or last. Pass "
            "Pillow images, or tensors (3, H, W)"
        )
    batch = array.reshape(-1, *array.shape[-3:])
    yield from map(_picture, batch if last else batch.transpose(0, 2, 3, 1))


def _picture(pixels: np.ndarray[Any, Any]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def _check_bytes(numbers: Any, dtype: str) -> None:
    if dtype != "uint8":
        way = "x.to(torch.uint8)" if isinstance(numbers, Tensor) else "x.astype('uint8')"
        scaled = way.replace("x.", "(x * 255).round().")
        remedy = (
            f"Convert values from 0 to 1 with `{scaled}`"
            if "float" in dtype
            else f"Convert values from 0 to 255 with `{way}`"
        )
        raise _refused(f"{_kind(numbers)} of {dtype}", f"{remedy}. ")


def _check_shape(numbers: Any, right: bool) -> None:
    if not right or 0 in numbers.shape[-3:]:
        raise _refused(f"{_kind(numbers)} of shape {tuple(numbers.shape)}")


def _kind(given: Any) -> str:
    if isinstance(given, Tensor):
        return "a tensor"
    return "an array" if isinstance(given, np.ndarray) else f"an object of {type(given).__name__}"


def _refused(what: str, remedy: str = "") -> UserError:
    return UserError(f"{what} is not an image that a p-Model accepts. {remedy}{TAKEN}")
