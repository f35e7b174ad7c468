"""What a folder of images, or another data set, holds, and what may make training on it hard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from PIL import Image

from tina_kit.api import Dataset
from tina_kit.pipeline.stages.images import SPLITS, ImagesStage

FEW = 20  # training images; a classifier learns little about a class with fewer
UNEVEN = 3.0  # ratio of the largest to the smallest class
ODD_NAME = re.compile(r"n?\d+|[0-9a-f]{8,}", re.IGNORECASE)
_SAMPLED = 200  # files whose sizes are looked at
_LISTED = 5


@dataclass(frozen=True)
class Findings:
    """train, test: images of each class; size: (height, width) as p-Models see them; original:
    (width, height) in the files, the median of each, None where they hold no images."""

    classes: Sequence[str]
    train: Sequence[int]
    test: Sequence[int]
    size: tuple[int, int]
    original: tuple[int, int] | None

    @property
    def uneven(self) -> bool:
        """Whether always answering with the largest class is right strikingly often."""
        return max(self.test) > UNEVEN * min(self.test)

    @property
    def summary(self) -> str:
        width, height = self.original or self.size[::-1]
        images = f"{_counts('training', self.train)}, {_counts('test', self.test)}"
        return f"{len(self.classes)} classes, {images}, {width} × {height} pixels"

    def notes(self) -> list[str]:
        """Each reason why results may be poor, with what to do."""
        found = []
        few = [f"{name} ({n})" for name, n in zip(self.classes, self.train) if n < FEW]
        if few:
            found.append(
                f"{len(few)} of {len(self.classes)} classes have fewer than {FEW} training images: "
                f"{_listed(few)}. Expect weak p-Models, and add images if you can"
            )
        if self.uneven:
            found.append("classes differ in size, so the recipe counts each class the same")
        odd = [name for name in self.classes if ODD_NAME.fullmatch(name)]
        if odd:
            found.append(
                f"class names are the prompts, and names like {_listed(odd)} say little; write a "
                "table of folder, tab, name and pass it with --set dataset.names=FILE.tsv"
            )
        return found


def look(images: ImagesStage) -> Findings:
    """Read all images, unless the store has them. Raises UserError for what is wrong with them."""
    classes = list(images.dataset.class_names)
    images.ensure()
    train, test = (
        torch.bincount(images.read(split).labels, minlength=len(classes)).tolist()
        for split in SPLITS
    )
    return Findings(classes, train, test, images.size, original_size(images.dataset))


def original_size(dataset: Dataset) -> tuple[int, int] | None:
    """(width, height) of the images in a data set's files, the median of each over some of them."""
    paths = sorted(map(str, dataset.files().values()))
    sizes = []
    for path in paths[:: max(1, len(paths) // _SAMPLED)]:
        try:
            with Image.open(Path(path)) as image:
                sizes.append(image.size)
        except Exception:  # reading all of them tells which cannot be read, and why
            continue
    if not sizes:
        return None
    width, height = (int(median(side)) for side in zip(*sizes))
    return width, height


def _counts(split: str, numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{sum(numbers):,} {split} images ({each} a class)"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = [f"{len(names) - _LISTED:,} more"] if len(names) > _LISTED else []
    return ", ".join(names[:_LISTED] + more)
