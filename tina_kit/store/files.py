"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from stat import S_IMODE
from threading import Event
from typing import Any

from tina_kit.store.process import is_left_over, mark


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises OSError, and ValueError for what is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` in one step, so that a reader never sees half of it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """The same for text. A path in it that is not UTF-8 is escaped, as JSON and YAML do it."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Give a path to write to, which takes the place of `path` when the block ends well.

    mode: permissions of the file; by default those of new files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(path.parent, path.name)
    folder = draft_of(path)
    draft = folder / path.name  # in a folder, where safetensors has drafts of its own
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
    """Where this process writes what becomes `path`: beside it, under a name of its own."""
    return path.with_name(f".{path.name}.{mark()}")


def remove_left_over(folder: Path, name: str = "*") -> None:
    """Remove the drafts, of one file or of all, that processes of this machine left when they were
    killed."""
    for draft in folder.glob(f".{name if name == '*' else escape(name)}.*"):
        if is_left_over(draft.name.rpartition(".")[2]):
            with suppress(OSError):
                remove(draft)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def mode_of_new_files(folder: Path) -> int:
    """As the umask, or the folder's default access list, wants it; asked of the system, since
    reading the umask means setting it, for all threads."""
    probe = folder / f".mode.{mark()}"
    probe.touch()
    try:
        return probe.stat().st_mode
    finally:
        probe.unlink()


def share(path: Path, mode: int) -> None:
    """Give a file a mode, as a rule that of new files: safetensors writes for the owner alone."""
    if path.stat().st_mode != mode:
        with suppress(PermissionError):  # a file system that keeps no modes
            path.chmod(S_IMODE(mode))


def flush(path: Path) -> None:
    """Bring a file or folder to the disk: a rename must not outlive what it renames."""
    if os.name == "nt":  # there a folder cannot be opened, nor a file flushed that is only read
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def sync(handle: int) -> None:
    """Bring what was written to the disk, where the file system knows how to."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF):
            raise


def sha256(path: Path, stop: Event | None = None) -> str:
    """stop: set, nobody needs the answer any more."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while (stop is None or not stop.is_set()) and (block := file.read(1 << 20)):
            digest.update(block)
    return digest.hexdigest()
