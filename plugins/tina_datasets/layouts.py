"""Layouts of image files on disk: the classes, and the files of each split."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tina_datasets.files import ImageFile, first_of_each, split_classes, warn_once
from tina_datasets.options import ImageFilesOptions
from tina_kit.api import (
    Dataset,
    Images,
    Split,
    UserError,
    abridged,
    as_words,
    file_problem,
    name_index,
    printable,
    read_images,
    read_text,
    unreadable_images,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLES = ("train.csv", "val.csv", "test.csv")
SPLITS: tuple[Split, ...] = ("train", "test")
_OF_THE_SPLIT = {"test_fraction", "split_seed"}


class Layout(Protocol):
    """root: what all files lie below. classes: folder names or table labels, sorted.

    files: regular files; irregular: paths that should lead to one, and why they do not.
    """

    root: Path
    irregular: dict[str, str]

    @property
    def classes(self) -> list[str]: ...

    @property
    def files(self) -> dict[Split, list[ImageFile]]: ...

    @property
    def is_split(self) -> bool:
        """Whether folders say which split an image belongs to."""


class ImageFilesDataset(Dataset):
    """A data set of image files, which are located by `layout`."""

    def __init__(self, options: ImageFilesOptions) -> None:
        self.options = options
        self._damaged: dict[Split, dict[str, str]] = {}

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Raises UserError when the data is missing."""

    @cached_property
    def _files(self) -> dict[Split, list[ImageFile]]:
        """The files that are read, of each split."""
        count = self.options.images_per_class
        return {
            split: [files[place] for place in first_of_each((f.label for f in files), count)]
            for split, files in self.layout.files.items()
        }

    def files(self) -> Mapping[str, str | Path]:
        self._check_split(self.layout)
        images = [file for split in self._files.values() for file in split]
        return {self._name(file.path): file.path for file in images}

    def fingerprint(self) -> str:
        """Names and labels, and what may be left out; `files` answers for the images."""
        labels = [file.label for split in self._files.values() for file in split]
        known = hashlib.sha256(bytes(str(labels), "ascii")).hexdigest() + "\n".join(
            self.class_names
        )
        if self.layout.irregular:
            names = sorted(printable(self._name(path)) for path in self.layout.irregular)
            known += "\0".join(["", *names])
        # Without skip_damaged, a run must fail on images that another run has left out.
        return f"{known}\0skip_damaged" if self.options.skip_damaged else known

    def _check_split(self, layout: Layout) -> None:
        """Raise UserError if options set a split although the folders define one."""
        given = {n: getattr(self.options, n) for n in self.options.model_fields_set & _OF_THE_SPLIT}
        fields = type(self.options).model_fields
        asked = sorted(name for name, value in given.items() if value != fields[name].default)
        if asked and layout.is_split:
            raise UserError(
                f"{layout.root}: its folders already define the training and test split, so "
                f"{' and '.join(asked)} would have no effect; leave it out"
            )

    @property
    def larger_than(self) -> int:  # type: ignore[override]
        return self.options.size

    def load(self, split: Split) -> Images:
        files = self._files[split]
        pixels, damaged = self._read(split)
        irregular = self.layout.irregular if split == "train" else {}
        if (damaged or irregular) and not self.options.skip_damaged:
            raise self._unreadable()
        kept = [index for index, file in enumerate(files) if file.path not in damaged]
        if damaged:
            pixels = pixels[kept]
        labels = torch.tensor([files[index].label for index in kept], dtype=torch.int64)
        left_out = {**damaged, **irregular}
        return Images(
            torch.from_numpy(pixels),
            labels,
            tuple(
                f"{printable(self._name(path))}: {why}" for path, why in sorted(left_out.items())
            ),
        )

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        files = self._files["train"]
        if self.options.skip_damaged:
            if "train" not in self._damaged:
                self._read("train")
            files = [file for file in files if file.path not in self._damaged["train"]]
        return torch.from_numpy(
            read_images([files[place].path for place in index.tolist()], (side, side))
        )

    def _read(self, split: Split) -> tuple[NDArray[np.uint8], dict[str, str]]:
        """All images of a split, black where they are damaged; and why, by path."""
        files, found = self._files[split], dict[int, str]()
        size = self.options.size
        pixels = read_images([file.path for file in files], (size, size), found)
        self._damaged[split] = {files[index].path: found[index] for index in sorted(found)}
        return pixels, self._damaged[split]

    def _unreadable(self) -> UserError:
        """Names those of both splits."""
        for split in SPLITS:
            if split not in self._damaged:
                self._read(split)
        reasons = self.layout.irregular | self._damaged["train"] | self._damaged["test"]
        named = {printable(path): reasons[path] for path in sorted(reasons)}
        return unreadable_images(named, "Set `skip_damaged: true`, or replace or remove")

    def _name(self, path: str) -> str:
        """Relative to the root, the same on every system."""
        return path[len(os.path.join(self.layout.root, "")) :].replace(os.sep, "/")


class TableLayout:
    """All images in `images/`; `train.csv`, `val.csv` and `test.csv` give filename and label.

    The tables split by class, as in few-shot learning, so all three are read and the images of each
    class are split here.
    """

    is_split = False

    def __init__(
        self, root: Path, test_fraction: float, split_seed: int, exclude: Sequence[str] = ()
    ) -> None:
        self.root = root
        self.test_fraction, self.split_seed, self.exclude = test_fraction, split_seed, exclude
        self.irregular: dict[str, str] = {}
        self._excluded: set[str] = set()

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Label → names of its images, both sorted."""
        lost = [table for table in TABLES if not (self.root / table).is_file()]
        if lost:
            raise UserError(f"{self.root}: {', '.join(lost)} missing next to images/")
        label_of: dict[str, str] = {}
        for table in TABLES:
            for name, label in read_table(self.root / table):
                if name in label_of:
                    raise UserError(f"{self.root / table}: {name} is listed twice")
                label_of[name] = label
        for label in self.exclude:
            if label not in label_of.values():
                raise UserError(f"exclude: the tables of {self.root} have no class {label}")
        labels = set(label_of.values()) - set(self.exclude)
        names: dict[str, list[str]] = {label: [] for label in sorted(labels)}
        for name in sorted(label_of):
            if label_of[name] in labels:
                names[label_of[name]].append(name)
            else:
                self._excluded.add(name)
        return names

    @cached_property
    def classes(self) -> list[str]:
        if len(self._names) < 2:
            raise UserError(f"{self.root}: {len(self._names)} classes, at least 2 are needed")
        return list(self._names)

    @cached_property
    def files(self) -> dict[Split, list[ImageFile]]:
        folder = os.path.join(self.root, "images", "")
        self.irregular = self._irregular(folder)
        images = {
            wnid: [
                ImageFile(folder + name, label)
                for name in self._names[wnid]
                if folder + name not in self.irregular
            ]
            for label, wnid in enumerate(self.classes)
        }
        return split_classes(
            self.root, images, self.test_fraction, self.split_seed, len(self.irregular)
        )

    def _irregular(self, folder: str) -> dict[str, str]:
        """What the tables list and is no regular file, and why. Names may lead into folders below
        `images/`. Raises UserError for those that are missing."""
        try:
            with os.scandir(folder) as entries:
                plain = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
        except OSError as error:
            raise UserError(f"{folder}: cannot be listed ({error.strerror})") from None
        listed = {name for names in self._names.values() for name in names}
        problems = {name: file_problem(folder + name) for name in sorted(listed - plain)}
        lost = [name for name in problems if not os.path.lexists(folder + name)]
        if lost:
            raise UserError(
                f"{folder}: {len(lost)} images of the tables are missing: {abridged(lost)}"
            )
        if other := sorted(plain - listed - self._excluded):
            warn_once(
                f"{folder}: skipped {len(other):,} files that no table lists: {abridged(other)}"
            )
        return {folder + name: why for name, why in problems.items() if why is not None}


def read_table(path: Path) -> Iterator[tuple[str, str]]:
    """The filename and label of each row. Raises UserError naming table and line."""
    rows = csv.reader(StringIO(read_text(path), newline=""))
    try:
        header = [column.strip() for column in next(rows, [])]
        if not {"filename", "label"} <= set(header):
            raise UserError(f"{path}: needs the columns filename and label, has {header}")
        name, label = header.index("filename"), header.index("label")
        for row in filter(None, rows):
            if len(row) <= max(name, label):
                raise UserError(f"{path}:{rows.line_num}: the row is too short: {','.join(row)}")
            yield row[name].strip(), row[label].strip()
    except csv.Error as error:
        raise UserError(f"{path}:{rows.line_num}: not a CSV table ({error})") from None


def folder_names(layout: Layout) -> list[str]:
    """The names of the class folders as words. Raises UserError naming folders of one name."""
    names = [as_words(folder) for folder in layout.classes]
    name_index(names, [f"folder {layout.root / folder}" for folder in layout.classes])
    return names


def names_of(classes: Sequence[str], table: Path) -> list[str]:
    """The class names in a table: lines of class, tab (or space) and comma-separated names, of
    which the first is used. A name that contains a comma must be in double quotes.

    Raises UserError if the table lists a class twice, lacks a class, or names two classes the same.
    """
    named: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(read_text(table).split("\n"), 1):
        class_, _, words = line.partition("\t" if "\t" in line else " ")
        class_ = _folder_key(class_.strip())
        if not class_:
            continue
        if class_ in named:
            raise UserError(
                f"{table}:{number}: {class_} is named twice, first in line {named[class_][1]}; "
                "remove one of the lines"
            )
        named[class_] = _first_name(words), number
    found = [named.get(_folder_key(class_), ("", 0)) for class_ in classes]
    missing = [class_ for class_, (name, _) in zip(classes, found) if not name]
    if missing:
        raise UserError(
            f"{table}: no name for {', '.join(missing)}. Add a line for each: class, tab, name"
        )
    names = [name for name, _ in found]
    name_index(names, [f"{table}:{number}" for _, number in found])
    return names


def _first_name(words: str) -> str:
    """`green apple, apple` → green apple; `"salt, pepper", spices` → salt, pepper."""
    quoted = re.match(r'\s*"([^"]*)"', words)
    return as_words(quoted[1] if quoted else words.split(",")[0])


def _folder_key(name: str) -> str:
    """Folder names are compared in NFC, since file systems and editors use different Unicode
    forms."""
    return unicodedata.normalize("NFC", name)
