"""Labelled images to test a p-Model on: a folder per class."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api import UserError, abridged, as_words, is_service_folder, list_images, name_key

if TYPE_CHECKING:
    from torch import Tensor

_LOG = logging.getLogger(__name__)


@dataclass
class Labelled:
    """Images of a p-Model's classes.

    sources: paths, or uint8 tensors `(3, H, W)`; labels: of each, its place among the classes.
    about: where they are from, in words.
    """

    sources: list[str | Tensor] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    about: str = ""

    def __len__(self) -> int:
        return len(self.labels)


def labelled(folder: Path, classes: Sequence[str]) -> Labelled:
    """The images in `folder/CLASS/`, or, where a data set is split into `train` and `test` (or
    `val`), those in `folder/test/CLASS/`: runs learn from the others.

    Folders are matched with classes by `name_key`. Images in subfolders belong to the class. Raises
    UserError if there are none of any class; a warning tells what is left out.
    """
    keys = {name_key(name): index for index, name in enumerate(classes)}
    place = folder if {"train", "test", "val"} & keys.keys() else _test_part(folder)
    found, lost, counts = Labelled(about=f"images in {place}"), [], [0] * len(classes)
    for name in _folders(place):
        index = keys.get(name_key(as_words(name)))
        if index is None:
            lost.append(name)
            continue
        images = list_images(place / name)
        if images.note:
            _LOG.warning("%s: %s", place / name, images.note)
        found.sources += [os.path.join(place, name, image) for image in images.images]
        found.labels += [index] * len(images.images)
        counts[index] += len(images.images)
    missing = [name for name, count in zip(classes, counts) if not count]
    if not len(found):
        there = f"; its folders are {abridged(lost)}" if lost else ""
        raise UserError(
            f"{place}: there are no images of {abridged(missing)} here. Put them into a folder per "
            f"class, named after the class{there}"
        )
    if missing:
        _LOG.warning("%s: no images of %s", place, abridged(missing, 20))
    if lost:
        _LOG.warning("%s: left out what is no class of the p-Model: %s", place, abridged(lost))
    return found


def _test_part(folder: Path) -> Path:
    inner = [name for name in ("test", "val") if (folder / name).is_dir()]
    return folder / inner[0] if inner and (folder / "train").is_dir() else folder


def _folders(place: Path) -> list[str]:
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        raise UserError(f"{place}: cannot list this folder ({error.strerror})") from None
    return [n for n in names if (place / n).is_dir() and not is_service_folder(n)]
