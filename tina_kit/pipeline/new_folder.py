"""The folder of a run that starts: it appears whole, and nothing is left of killed runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tina_kit.store.files import draft_of, remove_left_over, sync

RESERVE = 1 << 16  # bytes that the record of a full disk may take


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill, which is not seen before it is whole."""
    draft = draft_of(folder)
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fresh(folder: Path, draft: Path) -> Path:
    """Name the folder; runs that start in the same second get one each."""
    number, place = 1, folder
    while True:
        try:
            os.rename(draft, place)
            return place
        except OSError:
            if not place.is_dir():
                raise
            number += 1
            place = folder.with_name(f"{folder.name}-{number}")


def remove_left_over_in(runs: Path) -> None:
    """What earlier runs of the recipe were writing when they were killed."""
    remove_left_over(runs)
    for folder in runs.iterdir():
        if folder.is_dir():
            remove_left_over(folder)
            for inner in filter(Path.is_dir, folder.iterdir()):
                remove_left_over(inner)


def reserve(folder: Path) -> IO[bytes]:
    """A file without a name, so that nothing stays of it."""
    reserve: IO[bytes] = TemporaryFile(dir=folder)  # noqa: SIM115
    reserve.write(bytes(RESERVE))
    reserve.flush()
    sync(reserve.fileno())
    return reserve
