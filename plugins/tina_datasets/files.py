"""What the data sets that read files share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tina_kit.api import Images, UserError, environment_path

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")


class ImageFile(NamedTuple):
    """One labelled image on disk. Paths are text: 60,000 `Path`s would take longer than the rest
    of the listing."""

    path: str
    size: int  # bytes
    label: int


def data_root(option: Path | None, title: str, holds: str) -> Path:
    """`option`, or else $TINA_KIT_DATA. Raises UserError where neither is given."""
    named = option or environment_path("TINA_KIT_DATA")
    if named is None:
        raise UserError(
            f"{title} is missing (TINA_KIT_DATA is not set and `root` is not given). Set "
            f"TINA_KIT_DATA (or `root`) to the folder that holds {holds}"
        )
    return named


def class_folders(root: Path) -> list[Path]:
    """The folders of the classes in the order of their names."""
    with os.scandir(root) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")
    return [root / name for name in names]


def image_sizes(folder: Path) -> dict[str, int]:
    """File name → bytes of the images in a folder, in the order of their names."""
    with os.scandir(folder) as entries:
        found = [
            (entry.name, entry.stat().st_size)
            for entry in entries
            if entry.name[0] != "." and entry.name.lower().endswith(SUFFIXES)
        ]
    return dict(sorted(found))


def image_files(folder: Path, label: int) -> list[ImageFile]:
    """The images of a class in the order of their names. Raises UserError when there is none."""
    start = os.path.join(folder, "")
    files = [ImageFile(start + name, size, label) for name, size in image_sizes(folder).items()]
    if not files:
        raise UserError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    return files


def split_class(
    files: Sequence[ImageFile], test_fraction: float, seed: int, name: str
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Cut the images of a class into training and test images, at random from `seed` and `name`."""
    salt = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    order = np.random.default_rng([seed, salt]).permutation(len(files))
    held = max(1, round(test_fraction * len(files)))
    if held >= len(files):
        place = os.path.dirname(files[0].path)
        raise UserError(f"{place}: {len(files)} images of {name} are too few to split")
    test = set(order[:held].tolist())
    parts: tuple[list[ImageFile], list[ImageFile]] = ([], [])
    for index, file in enumerate(files):
        parts[index in test].append(file)
    return parts


def decode(files: Sequence[ImageFile], size: int) -> Images:
    """Read images as RGB, the shorter side resized to `size` and the middle cut out.

    Returns uint8 `(N, 3, size, size)`. Raises UserError naming a file that cannot be read.
    """

    def read(file: ImageFile) -> NDArray[np.uint8]:
        try:
            with Image.open(file.path) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
                fitted = ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR)
            return np.moveaxis(np.asarray(fitted, dtype=np.uint8), -1, 0)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            message = f"{file.path}: this image cannot be read ({error}). Replace or remove it"
            raise UserError(message) from None

    pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, image in enumerate(pool.map(read, files)):
            pixels[index] = image
    labels = torch.tensor([file.label for file in files])
    return Images(torch.from_numpy(pixels), labels)
