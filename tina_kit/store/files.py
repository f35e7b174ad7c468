"""Reads and writes files atomically."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape, glob
from pathlib import Path
from stat import S_IMODE
from threading import Event
from typing import Any

from tina_kit.store.process import is_left_over, mark


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises OSError, and ValueError if it is not valid JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically, so that a reader never sees half of it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """The same for text. Paths in it that are not UTF-8 are escaped as in JSON and YAML."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(path.parent, path.name)
    draft = draft_of(path)  # without a folder as in `replacing`, since nothing else is written
    try:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        flush(draft)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a path to write to; that file replaces `path` if the block succeeds.

    mode: permissions of the file; by default those of new files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(path.parent, path.name)
    folder = draft_of(path)
    draft = folder / path.name  # in a folder, because safetensors creates temporary files too
    try:
        folder.mkdir(exist_ok=True)
        if mode is None:
            mode = mode_of_new_files(folder)
        yield draft
        share(draft, mode)
        flush(draft)
        os.replace(draft, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def draft_of(path: Path) -> Path:
    """Where this process writes what will become `path`: next to it, under a unique name."""
    return path.with_name(f".{path.name}.{mark()}")


def found_in(folder: Path, pattern: str) -> list[Path]:
    """What lies below `folder`, by a pattern; hidden names only where it begins with a dot. Unlike
    `Path.glob` it passes over folders that another process removes meanwhile."""
    return [folder / name for name in glob(pattern, root_dir=folder)]


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove drafts (of one file, or of all) left behind by killed processes of this machine."""
    for draft in found_in(folder, f".{name if name == '*' else escape(name)}.*"):
        if is_left_over(draft.name.rpartition(".")[2]):
            with suppress(OSError):
                remove(draft)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def mode_of_new_files(folder: Path) -> int:
    """The mode that the umask or the folder's default ACL gives new files. Found by creating one:
    reading the umask would mean setting it, for all threads."""
    probe = folder / f".mode.{mark()}"
    probe.touch()
    try:
        return probe.stat().st_mode
    finally:
        probe.unlink()


def share(path: Path, mode: int) -> None:
    """Set the mode of a file, usually to that of new files: safetensors makes files that only the
    owner can read."""
    if path.stat().st_mode != mode:
        with suppress(PermissionError):  # a file system without modes
            path.chmod(S_IMODE(mode))


def flush(path: Path) -> None:
    """Flush a file or folder to disk: a rename must not reach the disk before the content."""
    if os.name == "nt":  # Windows cannot open folders, or flush files opened for reading
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def sync(handle: int) -> None:
    """Flush written data to disk, if the file system supports it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise


def sha256(path: Path, stop: Event | None = None) -> str:
    """The SHA-256 of a file. stop: once set, reading ends, since the result is no longer needed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while (stop is None or not stop.is_set()) and (block := file.read(1 << 20)):
            digest.update(block)
    return digest.hexdigest()
