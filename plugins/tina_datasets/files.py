"""What the data sets that read image files share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tina_kit.api import Images, UserError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
Labelled = tuple[Path, int]


def class_folders(root: Path) -> list[Path]:
    """The folders of the classes in the order of their names."""
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def image_files(folder: Path) -> list[Path]:
    """The images of a class in the order of their names. Raises UserError when there is none."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UserError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    return files


def listing_fingerprint(root: Path, files: Iterable[Labelled]) -> str:
    """Hash of names, labels and sizes: cheap, and another data set never has the same."""
    digest = hashlib.sha256()
    for path, label in files:
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{label}\0{os.stat(path).st_size}\n".encode())
    return digest.hexdigest()


def split_class(
    files: Sequence[Path], test_fraction: float, seed: int, name: str
) -> tuple[list[Path], list[Path]]:
    """Cut the images of a class into training and test images, at random from `seed` and `name`."""
    salt = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    order = np.random.default_rng([seed, salt]).permutation(len(files))
    held = max(1, round(test_fraction * len(files)))
    if held >= len(files):
        raise UserError(f"{files[0].parent}: {len(files)} images are too few to split")
    test = set(order[:held].tolist())
    parts: tuple[list[Path], list[Path]] = ([], [])
    for index, path in enumerate(files):
        parts[index in test].append(path)
    return parts


def decode(files: Sequence[Labelled], size: int) -> Images:
    """Read images as RGB, the shorter side resized to `size` and the middle cut out.

    Returns uint8 `(N, 3, size, size)`. Raises UserError naming a file that cannot be read.
    """

    def read(item: Labelled) -> NDArray[np.uint8]:
        path = item[0]
        try:
            with Image.open(path) as image:
                fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
            return np.moveaxis(np.asarray(fitted, dtype=np.uint8), -1, 0)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            message = f"{path}: this image cannot be read ({error}). Replace or remove it"
            raise UserError(message) from None

    pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, image in enumerate(pool.map(read, files)):
            pixels[index] = image
    labels = torch.tensor([label for _, label in files])
    return Images(torch.from_numpy(pixels), labels)
