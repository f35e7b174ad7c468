"""Reads images: any format that Pillow opens becomes upright 8-bit RGB, cropped and resized."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from tina_kit.api.errors import UserError
from tina_kit.api.files import FileProblem, content_kind, open_regular
from tina_kit.api.messages import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    ImageSource: TypeAlias = str | os.PathLike[str] | BinaryIO | Image.Image

BACKGROUND = (255, 255, 255)  # white, as most programs show transparent areas
_ROWS = 256  # rows converted at a time
LISTED = 20  # number of unreadable files that a message lists
_COMMON = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_CLOSED = {  # formats of Pillow's that are not read here
    "EPS": "would run Ghostscript",
    "PDF": "can only be written",
    "IPTC": "opens embedded data in any format, including these",
    **dict.fromkeys(("BUFR", "GRIB", "HDF5", "MPEG", "WMF"), "can only be identified"),
}


def read_images(
    sources: Sequence[ImageSource],
    size: tuple[int, int],
    unreadable: dict[int, str] | None = None,
) -> NDArray[np.uint8]:
    """Read images in parallel, as p-Models see them: uint8 `(N, 3, height, width)`.

    sources: paths, open binary files or Pillow images; only the first frame is read.
    size: (height, width) in pixels. Images are rotated upright (EXIF), centre-cropped and resized.
    unreadable: receives the index of each image that cannot be read and the reason; the image
    stays black. Without it, UserError lists all of them. Only regular files are opened.

    The pixels become 8-bit RGB. Transparent areas are composited on white. 16-bit grey is divided
    by 257, 12-bit grey scaled by 255/4095. 32-bit integers are kept if all are in [0, 255], and
    divided by 257 if all are in [0, 65535]; floats are multiplied by 255 if all are in [0, 1], and
    kept if all are in [0, 255]. Any other values are rejected.
    """
    found: dict[int, str] = {} if unreadable is None else unreadable
    pixels = np.zeros((len(sources), 3, *size), dtype=np.uint8)

    one_by_one = Lock()  # Pillow images decode lazily, and the same one may be passed twice

    def read(index: int) -> None:
        source = sources[index]
        try:
            with one_by_one if hasattr(source, "convert") else nullcontext():
                pixels[index] = _read(source, size)
        # A damaged image can make Pillow raise anything.
        except Exception as error:
            found[index] = printable(str(error)) or type(error).__name__

    _formats()  # fill the cache before the threads start
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # About images that are read anyway: many pixels, unusual metadata.
        warnings.simplefilter("ignore")
        for _ in pool.map(read, range(len(sources))):
            pass
    if unreadable is None and found:
        raise unreadable_images(
            {_name(sources[index], index): found[index] for index in sorted(found)},
            "Replace or remove",
        )
    return pixels


def unreadable_images(reasons: Mapping[str, str], remedy: str) -> UserError:
    """One error for all images that cannot be read; it lists the first LISTED of them.

    reasons: by the image's name. remedy: a verb phrase, to be followed by "it" or "them".
    """
    if len(reasons) == 1:
        [(name, reason)] = reasons.items()
        return UserError(f"{name}: this image cannot be read ({reason}). {remedy} it")
    lines = [f"  {name}: {reason}" for name, reason in reasons.items()]
    if len(lines) > LISTED:
        lines[LISTED:] = [f"  and {len(lines) - LISTED:,} more"]
    listed = "\n".join(lines)
    return UserError(f"{len(reasons):,} images cannot be read. {remedy} them:\n{listed}")


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of readable image files, like ".png"."""
    from PIL import Image

    opened = {*_formats(), "MPO"}  # a JPEG with several frames
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, name in known.items() if name in opened)


@cache
def _formats() -> tuple[str, ...]:
    """In the order in which they are tried; some formats also accept files of another format."""
    from PIL import Image

    Image.init()
    common = [name for name in _COMMON if name in Image.ID]
    rest = [name for name in Image.ID if name not in _COMMON and name not in _CLOSED]
    return (*common, *rest)


def read_whole(source: ImageSource) -> NDArray[np.uint8]:
    """One image as `read_images` sees it before it is cropped and resized: uint8 `(3, H, W)`,
    upright RGB. Raises whatever says that it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(source, None)


def picture_size(file: BinaryIO) -> tuple[int, int]:
    """(width, height) in pixels, as the file's head says it; nothing is decoded. Raises whatever
    says that it is no image."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(file, formats=_formats()) as image:
            width, height = image.size
            return width, height


def _read(source: ImageSource, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    from PIL import Image

    if isinstance(source, Image.Image):
        return _fitted(source, size)
    if isinstance(source, (str, os.PathLike)):
        with open_regular(source) as file:
            return _decoded(file, size)
    return _decoded(source, size)


def _decoded(file: BinaryIO, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file, formats=_formats()) as image:
            return _fitted(image, size)
    except UnidentifiedImageError:
        file.seek(0)
        kind = content_kind(file.read(1024))
        raise FileProblem(kind or "it is not in a supported image format") from None


def _name(source: ImageSource, index: int) -> str:
    if isinstance(source, (str, os.PathLike)):
        return printable(os.fspath(source))
    return f"image {index} (counted from 0)"


def _fitted(image: Image.Image, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """size: (height, width), None for its own."""
    from PIL import Image, ImageOps

    if 0 in image.size:
        raise ValueError(f"it has {image.width} × {image.height} pixels")
    rgb = _rgb(image)
    if size is not None:
        rgb = ImageOps.fit(rgb, size[::-1], Image.Resampling.BILINEAR)
    return np.moveaxis(np.asarray(rgb, dtype=np.uint8), -1, 0)


def _rgb(image: Image.Image) -> Image.Image:
    """Upright 8-bit RGB."""
    from PIL import Image

    samples = _samples(image)
    upright = _upright(image)
    key = upright.info.pop("transparency", None) if upright.mode != "P" else None
    if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
        values = np.asarray(upright)
        if upright.mode.startswith("I;16") and _white_is_zero(image):
            values = 65535 - values
        hidden = None if key is None else values == key
        deep = samples.startswith("I;12"), image.format in ("PNG", "PPM")
        rgb = Image.fromarray(_eight_bits(values, upright.mode, *deep)).convert("RGB")
    elif key is not None and upright.mode in ("1", "L", "RGB"):
        rgb = upright.convert("RGB")
        hidden = (np.asarray(rgb) == _eight_bit_key(key, samples)).all(-1)
    elif _has_alpha(upright):
        # Pillow converts La only to LA.
        rgba = (upright.convert("LA") if upright.mode == "La" else upright).convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (*BACKGROUND, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    else:
        return upright.convert("RGB")
    if hidden is None or not hidden.any():
        return rgb
    pixels = np.array(rgb)
    pixels[hidden] = BACKGROUND
    return Image.fromarray(pixels)


def _samples(image: Image.Image) -> str:
    """The file's raw sample format in Pillow's notation ("L;2"); available only before decoding."""
    tiles: Any = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF declares white as zero, which Pillow respects only for 8-bit samples."""
    tags: Any = getattr(image, "tag_v2", {})
    return bool(tags.get(262) == 0)


def _upright(image: Image.Image) -> Image.Image:
    """A copy, rotated as its EXIF metadata says."""
    from PIL import ImageOps

    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata; the pixels may still be fine
        return image.copy()


def _has_alpha(image: Image.Image) -> bool:
    if image.mode == "P":
        palette = image.palette
        return "transparency" in image.info or (palette is not None and "A" in palette.mode)
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa")


def _eight_bit_key(key: Any, samples: str) -> Any:
    """The transparent colour in 8 bits; the file gives it at its own sample depth."""
    values = np.atleast_1d(np.asarray(key))
    if ";16" in samples:
        return values >> 8  # as Pillow reads such samples
    for bits in (2, 4):
        if samples == f"L;{bits}":
            return values * 255 // (2**bits - 1)
    return values


def _eight_bits(
    values: NDArray[Any], mode: str, of_12_bits: bool, of_16_bits: bool
) -> NDArray[np.uint8]:
    """of_16_bits: older versions of Pillow open 16-bit grey in mode "I"."""
    if mode == "F" and not np.isfinite(values).all():
        raise ValueError("it contains NaN or infinite values")
    low, high = values.min().item(), values.max().item()
    if of_12_bits:
        scale = 255 / 4095
    elif mode.startswith("I;16") or (of_16_bits and low >= 0 and high <= 65535):
        scale = 1 / 257
    elif mode == "I" and low >= 0 and high <= 65535:
        scale = 1 if high <= 255 else 1 / 257
    elif mode == "F" and low >= 0 and high <= 255:
        scale = 255 if high <= 1 else 1
    else:
        known = "0 to 1 or 0 to 255" if mode == "F" else "0 to 255 or 0 to 65535"
        raise ValueError(
            f"its values range from {low:g} to {high:g}; supported: {known}. Save it with 8 bits"
        )
    done = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), _ROWS):  # float64 takes eight times the memory
        done[first : first + _ROWS] = np.rint(values[first : first + _ROWS].astype(float) * scale)
    return done
