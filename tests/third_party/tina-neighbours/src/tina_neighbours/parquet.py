"""`parquet`: a data set of images in Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from tina_kit.api import Dataset, Images, Split, UserError, read_images
from torch import Tensor

from tina_neighbours.options import ParquetOptions
from tina_neighbours.table import Table

LISTED = 5  # of many mistakes


class ParquetImages(Dataset):
    """A file for each split, or one with a column that says which row is of which.

    Images are encoded (PNG, JPEG, or what else Pillow reads) as bytes or as a struct of `bytes` and
    `path`, which is how Hugging Face's `datasets` writes them. Labels are class indices or names.
    """

    def __init__(self, options: ParquetOptions) -> None:
        self.options = options

    @property
    def _paths(self) -> dict[str, Path]:
        test = self.options.test_file
        return {"file": self.options.file, **({"test_file": test} if test else {})}

    def files(self) -> Mapping[str, str | Path]:
        return self._paths

    @cached_property
    def _tables(self) -> dict[str, Table]:
        """By option. Raises UserError with all files and columns that are missing."""
        lost = [
            f"{name}: there is no {path}"
            for name, path in self._paths.items()
            if not path.is_file()
        ]
        if lost:
            raise UserError(f"{'; '.join(lost)}. Give the paths of Parquet files")
        tables = {name: Table(path) for name, path in self._paths.items()}
        options = self.options
        needed = [options.image, options.label]
        if options.test_file is None:
            needed.append(options.split)
        lacking = [f"{t.path}: {what}" for t in tables.values() for what in t.lacks(needed)]
        if lacking:
            raise UserError(
                f"{'; '.join(lacking)}. Name them with the options image, label and split, or give "
                "the test images' own file as `test_file`"
            )
        return tables

    def _table(self, split: Split) -> Table:
        return self._tables.get("test_file" if split == "test" else "file", self._tables["file"])

    @cached_property
    def class_names(self) -> Sequence[str]:
        """The names as words: `aquarium_fish` is "aquarium fish"."""
        options, table = self.options, self._table("train")
        names = options.names or table.declared_names(options.label)
        if names is None:
            if not table.holds_text(options.label):
                raise UserError(
                    f"{table.path}: the labels in {options.label!r} are numbers and nothing says "
                    "what they stand for; list the class names in label order as `names`"
                )
            texts = {label for _, label in self._rows("train") if label is not None}
            names = sorted(texts)
        words = [_words(name) for name in names]
        if len(set(words)) < max(2, len(words)):
            raise UserError(
                f"{table.path}: the class names ({', '.join(words[:LISTED])}, ...) must be two or "
                "more, all different; list them as `names`"
            )
        return words

    def load(self, split: Split) -> Images:
        table = self._table(split)
        rows = self._rows(split)
        labels = self._labels(split, rows)
        chosen = {number for number, _ in rows}
        batches = table.chosen(self.options.image, chosen)
        images = [self._decode(table, batch) for batch in batches if batch]
        return Images(torch.cat(images), torch.tensor(labels))

    def _rows(self, split: Split) -> list[tuple[int, Any]]:
        """The number and the label of each row of a split. Raises UserError where it has none."""
        options, table = self.options, self._table(split)
        labels = list(enumerate(table.values(options.label)))
        if options.test_file is None:
            wanted = options.train if split == "train" else options.test
            told = [str(value) for value in table.values(options.split)]
            labels = [row for row, value in zip(labels, told) if value == wanted]
            if not labels:
                there = ", ".join(sorted(set(told))[:LISTED]) or "nothing"
                raise UserError(
                    f"{table.path}: no row has {wanted!r} in the column {options.split!r}, which "
                    f"holds {there}; set the option `{split}`"
                )
        if not labels:
            raise UserError(f"{table.path}: holds no rows")
        return labels

    def _labels(self, split: Split, rows: Sequence[tuple[int, Any]]) -> list[int]:
        """Indices of classes. Raises UserError naming the first rows that have none."""
        table, names = self._table(split), self.class_names
        if table.holds_text(self.options.label):
            index = {name: label for label, name in enumerate(names)}
            labels = [index.get(_words(label or "")) for _, label in rows]
        else:
            known = range(len(names))
            labels = [label if label in known else None for _, label in rows]
        odd = [row for row, label in zip(rows, labels) if label is None]
        if odd:
            some = ", ".join(f"{label!r} in row {number}" for number, label in odd[:LISTED])
            raise UserError(
                f"{table.path}: {len(odd)} labels in {self.options.label!r} are none of the "
                f"{len(names)} classes (0 is {names[0]!r}, {len(names) - 1} is {names[-1]!r}): "
                f"{some}. Rows count from 0; mend them, or list all classes as `names`"
            )
        return [label for label in labels if label is not None]

    def _decode(self, table: Table, rows: Sequence[tuple[int, Any]]) -> Tensor:
        """uint8 `(len(rows), 3, size, size)`."""
        encoded = [BytesIO(self._encoded(table, *row)) for row in rows]
        unreadable: dict[int, str] = {}
        images = read_images(encoded, (self.options.size, self.options.size), unreadable)
        for index in sorted(unreadable):
            raise UserError(
                f"{table.path}: the image in row {rows[index][0]} (from 0) cannot be read "
                f"({unreadable[index]}). Replace or remove it"
            )
        return torch.from_numpy(images)

    def _encoded(self, table: Table, number: int, value: Any) -> bytes:
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise UserError(
                f"{table.path}: row {number} (from 0) of {self.options.image!r} holds no encoded "
                f"image but {str(value)[:60]}; write the file with the images' bytes in it"
            )
        return content


def _words(name: str) -> str:
    return name.replace("_", " ").strip()
