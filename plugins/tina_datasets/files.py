"""What the data sets that read files share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tina_kit.api import UserError, abridged, environment_path, is_service_folder

_LOG = logging.getLogger(f"tina_kit.{__name__}")
_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_]\w*", re.IGNORECASE | re.ASCII)


class ImageFile(NamedTuple):
    """One labelled image on disk. Paths are text: 60,000 `Path`s would take longer than the rest
    of the listing."""

    path: str
    label: int


@cache
def tell(line: str) -> None:
    """Warn in one line, and once: a run lists the same files several times."""
    _LOG.warning("%s", line)


def data_root(option: Path | None, title: str, holds: str) -> Path:
    """`option`, or else $TINA_KIT_DATA. Raises UserError where neither is given."""
    named = option or environment_path("TINA_KIT_DATA")
    if named is None:
        raise UserError(
            f"{title} is missing (TINA_KIT_DATA is not set and `root` is not given). Set "
            f"TINA_KIT_DATA (or `root`) to the folder that holds {holds}"
        )
    return named


class Contents(NamedTuple):
    """What a folder holds itself, by sorted names. service: folders that systems and archivers
    leave behind; broken: links to nothing or in circles."""

    folders: list[str]
    service: list[str]
    files: list[str]
    broken: list[str]


def contents(folder: Path) -> Contents:
    """Hidden entries are left out. Raises UserError where the folder cannot be listed."""
    found = Contents([], [], [], [])
    try:
        here = os.path.realpath(folder)
        for name in sorted(name for name in os.listdir(folder) if name[0] != "."):
            path = os.path.join(folder, name)
            if not os.path.isdir(path):
                (found.files if os.path.exists(path) else found.broken).append(name)
            elif is_service_folder(name):
                found.service.append(name)
            elif os.path.islink(path) and _holds(os.path.realpath(path), here):
                found.broken.append(name)
            else:
                found.folders.append(name)
    except OSError as error:
        raise UserError(f"{folder}: this folder cannot be listed ({error.strerror})") from None
    return found


def _holds(folder: str, place: str) -> bool:
    return place == folder or place.startswith(os.path.join(folder, ""))


def split_class(
    files: Sequence[ImageFile], test_fraction: float, seed: int, name: str
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Cut the images of a class into training and test images, at random from `seed` and `name`;
    from two images on, both have some."""
    salt = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big")
    order = np.random.default_rng([seed, salt]).permutation(len(files))
    held = min(max(1, round(test_fraction * len(files))), len(files) - 1)
    test = set(order[:held].tolist())
    parts: tuple[list[ImageFile], list[ImageFile]] = ([], [])
    for index, file in enumerate(files):
        parts[index in test].append(file)
    return parts


def too_few_to_split(root: Path, names: Sequence[str], irregular: int) -> UserError:
    """names: of the classes with fewer than two images; irregular: images that cannot be opened."""
    lost = f" ({irregular:,} that cannot be opened are not counted)" if irregular else ""
    return UserError(
        f"{root}: too few images to split into training and test images in "
        f"{abridged(names, 20)}{lost}. Every class needs 2: add some, or leave out: "
        f"{exclude_them(names)}"
    )


def exclude_them(names: Sequence[str]) -> str:
    """What to write into the recipe to leave out folders."""
    words = [name if _WORD.fullmatch(name) else json.dumps(name) for name in names[:20]]
    return f"`exclude: [{', '.join(words)}{', ...' if len(names) > 20 else ''}]`"
