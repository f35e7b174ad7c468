"""Writes an output file that a user names, which may be a link, a device or a pipe."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tina_kit.api import UserError
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing

_LINKS = 40  # followed at most, as Linux does
_IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EBUSY)  # but perhaps writable


def write_output(path: Path, content: bytes) -> None:
    """Write `content` to the file that `path` names; links are followed.

    A regular file is replaced atomically and keeps its permissions. Anything else (a device, a
    FIFO, an open file of this process such as /dev/stdout) is written into until its reader closes
    it. Raises UserError if the path is a folder, is in a missing folder or cannot be written, and
    TinaKitError if the disk fails.
    """
    check_output(path)
    try:
        with explaining(path.parent, OUTPUT_REMEDY):
            try:
                _write(path, content)
            except PermissionError as error:
                raise _refused(path, error) from None
    except BrokenPipeError:  # the reader has closed the pipe
        pass
    except OSError as error:
        raise _refused(path, error) from None


def _write(path: Path, content: bytes) -> None:
    target = Path(os.path.realpath(path))
    if is_stream(path):
        _write_into(path, content)
        return
    mode = target.stat().st_mode if target.exists() else None
    try:
        with replacing(target, mode) as draft:
            draft.write_bytes(content)
    except OSError as error:
        if error.errno not in _IRREPLACEABLE or not target.exists():
            raise
        _write_into(target, content)


def _refused(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be written: {error.strerror or error}")


def check_output(path: Path) -> None:
    """Raise UserError if `write_output` would, as far as that can be known without writing."""
    if _descriptor(path) is not None:
        return
    target = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise UserError(f"{path}: there is no folder {target.parent}") from None
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise UserError(f"{path}: no permission to write to {target.parent}") from None
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path}: this is a folder; name a file in it")
    if not os.access(path, os.W_OK):
        raise UserError(f"{path}: no permission to write to this file")


def is_stream(path: Path) -> bool:
    """Whether `path` is something to write into rather than to replace."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file())


def _write_into(path: Path, content: bytes) -> None:
    number = _descriptor(path)
    # Duplicate the descriptor: opening by name would overwrite a file that the shell appends to.
    opened = os.dup(number) if number is not None else os.open(path, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(opened, "wb") as file:
        file.write(content)


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that `path` refers to, like /dev/stdout, or None."""
    here = os.path.abspath(path)
    for _ in range(_LINKS):
        folder, name = os.path.split(here)
        if name.isdecimal() and os.path.realpath(folder) in ("/dev/fd", f"/proc/{os.getpid()}/fd"):
            return int(name)
        if not os.path.islink(here):
            return None
        here = os.path.normpath(os.path.join(os.path.realpath(folder), os.readlink(here)))
    return None
