"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError

STORE_REMEDY = "set TINA_KIT_STORE to a folder on another disk"
FULL = (errno.ENOSPC, errno.EDQUOT)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises OSError, and ValueError for what is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` in one step, so that a reader never sees half of it."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        flush(draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Bring a file or folder to the disk: a rename must not outlive what it renames."""
    if os.name == "nt":  # there a folder cannot be opened, nor a file flushed that is only read
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def share(path: Path) -> None:
    """Let others read what they may read here: safetensors writes for the owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def explaining_full_disk(place: Path, remedy: str) -> Iterator[None]:
    """Turn "no space left" into one message; safetensors reports it as an error of its own.

    remedy: how to choose another place.
    """
    try:
        yield
    except TinaKitError:
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in FULL
        if full or "os error 28" in str(error) or "No space left" in str(error):
            raise TinaKitError(
                f"{place}: no space left on this disk. Free some, or {remedy}; what is finished "
                "stays, and the run goes on from there"
            ) from error
        raise
