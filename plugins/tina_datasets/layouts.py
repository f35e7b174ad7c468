"""How image files lie on disk: which classes there are, and the files of each split."""

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
from typing import Protocol

from torch import Tensor

from tina_datasets.files import (
    ImageFile,
    class_folders,
    decode,
    image_files,
    image_sizes,
    split_class,
)
from tina_datasets.options import ImageFilesOptions
from tina_kit.api import Dataset, Images, Split, UserError, as_words, name_index, read_text

TABLES = ("train.csv", "val.csv", "test.csv")


class Layout(Protocol):
    """root: what all files lie below. classes: folder names or table labels, sorted."""

    root: Path

    @property
    def classes(self) -> list[str]: ...

    @property
    def files(self) -> dict[Split, list[ImageFile]]: ...


class ImageFilesDataset(Dataset):
    """A data set of image files; `layout` says where they lie."""

    def __init__(self, options: ImageFilesOptions) -> None:
        self.options = options

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Raises UserError when the data is missing."""

    def files(self) -> Mapping[str, str | Path]:
        layout = self.layout
        start = len(os.path.join(layout.root, ""))
        images = [file for split in layout.files.values() for file in split]
        return {file.path[start:].replace(os.sep, "/"): file.path for file in images}

    def fingerprint(self) -> str:
        """Names and labels; `files` answers for the images."""
        labels = [file.label for split in self.layout.files.values() for file in split]
        return hashlib.sha256(bytes(str(labels), "ascii")).hexdigest() + "\n".join(self.class_names)

    @property
    def larger_than(self) -> int:  # type: ignore[override]
        return self.options.size

    def load(self, split: Split) -> Images:
        return decode(self.layout.files[split], self.options.size)

    def load_larger(self, index: Tensor, side: int) -> Tensor:
        files = self.layout.files["train"]
        return decode([files[place] for place in index.tolist()], side).images


class FolderLayout:
    """One folder a class: `train/CLASS/` and `test/CLASS/` (or `val`); or `CLASS/`, split here."""

    def __init__(
        self, root: Path, test_fraction: float, split_seed: int, without: Sequence[str] = ()
    ) -> None:
        self.root = root
        self.test_fraction, self.split_seed, self.without = test_fraction, split_seed, without

    @cached_property
    def _splits(self) -> tuple[Path, Path] | None:
        """The folders of the two splits, None where there is one folder for both."""
        if not self.root.is_dir():
            raise UserError(f"{self.root}: there is no such folder of images")
        return split_folders(self.root)

    @cached_property
    def classes(self) -> list[str]:
        names = self._names(self._splits[0] if self._splits else self.root)
        if len(names) < 2:
            raise UserError(f"{self.root}: holds {len(names)} class folders, at least 2 are needed")
        if self._splits:
            odd = sorted(set(self._names(self._splits[1])) ^ set(names))
            if odd:
                listed = ", ".join(odd[:5])
                raise UserError(f"{self.root}: the classes of the two splits differ: {listed}")
        return names

    def _names(self, root: Path) -> list[str]:
        return [folder.name for folder in class_folders(root) if folder.name not in self.without]

    @cached_property
    def files(self) -> dict[Split, list[ImageFile]]:
        files: dict[Split, list[ImageFile]] = {"train": [], "test": []}
        for label, name in enumerate(self.classes):
            if self._splits:
                train, test = (image_files(split / name, label) for split in self._splits)
            else:
                images = image_files(self.root / name, label)
                train, test = split_class(images, self.test_fraction, self.split_seed, name)
            files["train"] += train
            files["test"] += test
        return files


class TableLayout:
    """All images in `images/`; `train.csv`, `val.csv` and `test.csv` give filename and label.

    The tables part the classes, as few-shot learning does, not the images of a class: all three
    are read, and each class is split here.
    """

    def __init__(self, root: Path, test_fraction: float, split_seed: int) -> None:
        self.root = root
        self.test_fraction, self.split_seed = test_fraction, split_seed

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Label → names of its images, both sorted."""
        lost = [table for table in TABLES if not (self.root / table).is_file()]
        if lost:
            raise UserError(f"{self.root}: {', '.join(lost)} missing beside images/")
        label_of: dict[str, str] = {}
        for table in TABLES:
            for name, label in read_table(self.root / table):
                if name in label_of:
                    raise UserError(f"{self.root / table}: {name} is listed twice")
                label_of[name] = label
        names: dict[str, list[str]] = {label: [] for label in sorted(set(label_of.values()))}
        for name in sorted(label_of):
            names[label_of[name]].append(name)
        return names

    @cached_property
    def classes(self) -> list[str]:
        if len(self._names) < 2:
            raise UserError(f"{self.root}: {len(self._names)} classes, at least 2 are needed")
        return list(self._names)

    @cached_property
    def files(self) -> dict[Split, list[ImageFile]]:
        sizes = self._sizes()
        folder = os.path.join(self.root, "images", "")
        files: dict[Split, list[ImageFile]] = {"train": [], "test": []}
        for label, wnid in enumerate(self.classes):
            images = [ImageFile(folder + name, sizes[name], label) for name in self._names[wnid]]
            train, test = split_class(images, self.test_fraction, self.split_seed, wnid)
            files["train"] += train
            files["test"] += test
        return files

    def _sizes(self) -> dict[str, int]:
        """Bytes of each image that is listed; names may lead into folders below `images/`."""
        folder = self.root / "images"
        sizes = image_sizes(folder)
        lost = []
        for name in (name for names in self._names.values() for name in names):
            if name in sizes:
                continue
            path = folder / name
            if path.is_file():
                sizes[name] = path.stat().st_size
            else:
                lost.append(name)
        if lost:
            raise UserError(
                f"{folder}: {len(lost)} images of the tables are missing: {', '.join(lost[:5])}"
            )
        return sizes


def split_folders(root: Path) -> tuple[Path, Path] | None:
    """`root/train` and `root/test` or `root/val`, where both exist."""
    test = next((root / name for name in ("test", "val") if (root / name).is_dir()), None)
    return (root / "train", test) if test and (root / "train").is_dir() else None


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


def folder_names(layout: FolderLayout) -> list[str]:
    """The names of the class folders as words. Raises UserError naming folders of one name."""
    names = [as_words(folder) for folder in layout.classes]
    name_index(names, [f"folder {layout.root / folder}" for folder in layout.classes])
    return names


def names_of(classes: Sequence[str], table: Path) -> list[str]:
    """What a table calls the classes: lines of class, tab (or a space), names with commas between
    them, of which the first counts. A name that holds a comma stands in double quotes.

    Raises UserError for a table with a class twice, without a name for a class, or with the same
    name for two of the classes.
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
    """Classes of a table are those of folders to the letter, except that file systems and editors
    differ in the Unicode form of a letter."""
    return unicodedata.normalize("NFC", name)
