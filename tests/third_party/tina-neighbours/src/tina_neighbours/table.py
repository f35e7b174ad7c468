"""Parquet files as the data set sees them. pyarrow is imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cached_property
from itertools import compress
from json import loads
from pathlib import Path
from typing import Any

from tina_kit.api import UserError

TEXT = ("string", "large_string", "string_view")
BATCH = 1024  # rows whose encoded images are in memory at once


class Table:
    """One file. Its methods raise UserError where it is broken or pyarrow is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def schema(self) -> Any:
        with self._open() as file:
            return file.schema_arrow

    def lacks(self, columns: Sequence[str]) -> list[str]:
        """What is wrong, in words, for each column that is not there."""
        there = self.schema.names
        told = []
        for column in columns:
            if column not in there:
                near = get_close_matches(column, there, n=3, cutoff=0.4)
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                told.append(f"no column {column!r} ({hint}there are {', '.join(there)})")
        return told

    def values(self, column: str) -> list[Any]:
        """The whole of a column of plain values."""
        with self._open() as file:
            values: list[Any] = file.read(columns=[column]).column(0).to_pylist()
            return values

    def chosen(self, column: str, rows: Set[int]) -> Iterator[list[tuple[int, Any]]]:
        """The number and the value of each row whose number is in `rows`, batch by batch."""
        import pyarrow

        start = 0
        with self._open() as file:
            for batch in file.iter_batches(BATCH, columns=[column]):
                here = range(start, start + len(batch))
                mask = [number in rows for number in here]
                values = batch.column(0).filter(pyarrow.array(mask)).to_pylist()
                yield list(zip(compress(here, mask), values))
                start += len(batch)

    def holds_text(self, column: str) -> bool:
        """Whether its values are text or else whole numbers. Raises UserError for anything else."""
        from pyarrow import types

        kind = self.schema.field(column).type
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_integer(kind):
            return False
        if str(kind) in TEXT:
            return True
        raise UserError(
            f"{self.path}: the column {column!r} holds {kind}; labels must be whole numbers or text"
        )

    def declared_names(self, column: str) -> list[str] | None:
        """The class names that Hugging Face's `datasets` wrote into the file, where it did."""
        written = (self.schema.metadata or {}).get(b"huggingface", b"")
        try:
            names = loads(written)["info"]["features"][column]["names"]
        except (KeyError, TypeError, ValueError):
            return None
        fit = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return names if fit else None

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise UserError(
                f"{self.path}: pyarrow, which reads Parquet files, is not installed: "
                "pip install 'tina-neighbours[parquet]'"
            ) from None
        try:
            with ParquetFile(self.path) as file:
                yield file
        except FileNotFoundError:
            raise UserError(f"{self.path}: there is no such Parquet file") from None
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(
                f"{self.path}: this is no whole Parquet file ({error}). Fetch or write it again"
            ) from None
