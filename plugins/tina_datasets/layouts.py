"""How image files lie on disk: which classes there are, and the files of each split."""

from __future__ import annotations

import csv
import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
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
from tina_kit.api import Dataset, Images, Split, UserError

TABLES = ("train.csv", "val.csv", "test.csv")
_OF_THE_SPLIT = {"test_fraction", "split_seed"}


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
        self._check_split(layout)
        start = len(os.path.join(layout.root, ""))
        images = [file for split in layout.files.values() for file in split]
        return {file.path[start:].replace(os.sep, "/"): file.path for file in images}

    def fingerprint(self) -> str:
        """Names and labels; `files` answers for the images."""
        labels = [file.label for split in self.layout.files.values() for file in split]
        return hashlib.sha256(bytes(str(labels), "ascii")).hexdigest() + "\n".join(self.class_names)

    def _check_split(self, layout: Layout) -> None:
        """Raise UserError where a split was asked for that the folders have made already."""
        given = {n: getattr(self.options, n) for n in self.options.model_fields_set & _OF_THE_SPLIT}
        fields = type(self.options).model_fields
        asked = sorted(name for name, value in given.items() if value != fields[name].default)
        if asked and isinstance(layout, FolderLayout) and layout.is_split:
            raise UserError(
                f"{layout.root}: its folders say which images are for training and which for "
                f"testing, so that {' and '.join(asked)} would have no effect; leave it out"
            )

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

    @property
    def is_split(self) -> bool:
        return self._splits is not None

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
    with _as_text(path), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = [column.strip() for column in next(rows, [])]
        if not {"filename", "label"} <= set(header):
            raise UserError(f"{path}: needs the columns filename and label, has {header}")
        name, label = header.index("filename"), header.index("label")
        for row in filter(None, rows):
            if len(row) <= max(name, label):
                raise UserError(f"{path}:{rows.line_num}: the row is too short: {','.join(row)}")
            yield row[name].strip(), row[label].strip()


@contextmanager
def _as_text(path: Path) -> Iterator[None]:
    """Names the table that is none."""
    try:
        yield
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is no table in UTF-8 ({error}). Save it as UTF-8") from None


def read_names(path: Path) -> dict[str, str]:
    """Class → the first of its names, from lines of class, tab (or a space), names and commas."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such table of class names")
    named = {}
    with _as_text(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    for line in lines:
        class_, _, words = line.partition("\t" if "\t" in line else " ")
        named[class_.strip()] = words.split(",")[0].strip()
    return named


def names_of(classes: Sequence[str], table: Path) -> list[str]:
    """What `table` calls the classes. Raises UserError listing all that it does not name."""
    named = read_names(table)
    missing = [class_ for class_ in classes if not named.get(class_)]
    if missing:
        raise UserError(
            f"{table}: no name for {', '.join(missing)}. Add a line for each: class, tab, name"
        )
    return [named[class_] for class_ in classes]
