"""Helpers for data sets that read files."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tina_kit.api import Split, UserError, abridged, environment_path, is_service_folder

_LOG = logging.getLogger(f"tina_kit.{__name__}")
_WORD = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_]\w*", re.IGNORECASE | re.ASCII)


class ImageFile(NamedTuple):
    """One labelled image on disk. Paths are text: 60,000 `Path`s would take longer than the rest
    of the listing."""

    path: str
    label: int


@cache
def warn_once(line: str) -> None:
    """Warn in one line, and once: a run lists the same files several times."""
    _LOG.warning("%s", line)


def data_root(option: Path | None, title: str, holds: str) -> Path:
    """`option`, or else $TINA_KIT_DATA. Raises UserError if neither is given."""
    named = option or environment_path("TINA_KIT_DATA")
    if named is None:
        raise missing(title, "TINA_KIT_DATA is not set and `root` is not given", holds)
    return named


def missing(title: str, where: object, holds: str, remedy: str | None = None) -> UserError:
    """An error about missing data. holds: what is expected; remedy: specific advice, if any."""
    general = f"Set TINA_KIT_DATA (or `root`) to the folder that contains {holds}"
    return UserError(f"{title} is missing ({where}). {remedy or general}")


class Contents(NamedTuple):
    """The entries of a folder, sorted. service: folders created by systems and archivers; broken:
    broken or circular links."""

    folders: list[str]
    service: list[str]
    files: list[str]
    broken: list[str]


def contents(folder: Path) -> Contents:
    """The entries of a folder except hidden ones. Raises UserError if it cannot be listed."""
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
        raise UserError(f"{folder}: cannot list this folder ({error.strerror})") from None
    return found


def _holds(folder: str, place: str) -> bool:
    return place == folder or place.startswith(os.path.join(folder, ""))


def split_classes(
    root: Path,
    images: Mapping[str, Sequence[ImageFile]],
    test_fraction: float,
    seed: int,
    irregular: int,
) -> dict[Split, list[ImageFile]]:
    """Split the images of each class into training and test images, at least one of each, at random
    by `seed` and the class's name.

    irregular: the number of images that cannot be opened. Raises UserError naming all classes with
    fewer than two images.
    """
    if few := [name for name, files in images.items() if len(files) < 2]:
        lost = f" ({irregular:,} that cannot be opened are not counted)" if irregular else ""
        raise UserError(
            f"{root}: too few images to split into training and test images in "
            f"{abridged(few, 20)}{lost}. Every class needs 2: add some, or leave out: "
            f"{exclude_them(few)}"
        )
    halves = [_split(files, test_fraction, seed, name) for name, files in images.items()]
    train, test = zip(*halves)
    return {"train": list(chain(*train)), "test": list(chain(*test))}


def _split(
    files: Sequence[ImageFile], test_fraction: float, seed: int, name: str
) -> tuple[list[ImageFile], list[ImageFile]]:
    salt = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:4], "big")
    order = np.random.default_rng([seed, salt]).permutation(len(files))
    tested = min(max(1, round(test_fraction * len(files))), len(files) - 1)
    test = set(order[:tested].tolist())
    parts: tuple[list[ImageFile], list[ImageFile]] = ([], [])
    for index, file in enumerate(files):
        parts[index in test].append(file)
    return parts


def first_of_each(labels: Iterable[int], count: int | None) -> list[int]:
    """The places of the first `count` images of each class, in order; of all images for None."""
    seen: Counter[int] = Counter()
    places = []
    for place, label in enumerate(labels):
        if count is None or seen[label] < count:
            places.append(place)
        seen[label] += 1
    return places


def exclude_them(names: Sequence[str]) -> str:
    """What to write into the recipe to leave out folders."""
    words = [name if _WORD.fullmatch(name) else json.dumps(name) for name in names[:20]]
    return f"`exclude: [{', '.join(words)}{', ...' if len(names) > 20 else ''}]`"
