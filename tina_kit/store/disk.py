"""Turns errors of disks, quotas and permissions into one message with a remedy."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import filemode

from tina_kit.api import TinaKitError

OUTPUT_REMEDY = "choose another location with --output"
KEPT = "Finished stages are kept; run the same command to resume"
STORE_REMEDY = f"set TINA_KIT_STORE to a folder on another disk. {KEPT}"
RUN_REMEDY = f"{OUTPUT_REMEDY}. {KEPT}"
_FULL = {
    errno.ENOSPC: "no space left on this disk. Free some space, or",
    errno.EDQUOT: "the disk quota is exceeded. Free some space, or",
}
_BROKEN = {
    errno.EFBIG: "the file would be larger than allowed (see `ulimit -f`). Raise the limit, or",
    errno.EROFS: "this file system is read-only. Make it writable, or",
    errno.EIO: "the disk failed (input/output error). Check it, or",
    errno.ESTALE: "the network file system is gone (stale file handle). Mount it again, or",
}
_REFUSED = (errno.EACCES, errno.EPERM)


@contextmanager
def explaining(place: Path, remedy: str) -> Iterator[None]:
    """Turn errors of the disk into a TinaKitError; other errors pass.

    place: where the block writes; remedy: how to choose another location.
    """
    try:
        yield
    except TinaKitError:
        raise
    except Exception as error:
        number = _number(error)
        named = not isinstance(error, OSError) or error.filename is not None
        # A permission error without a file name may come from a network connection.
        if number in (*_FULL, *_BROKEN) or (number in _REFUSED and named):
            raise explained(error, place, remedy) from error
        raise


def explained(error: Exception, place: Path, remedy: str) -> TinaKitError:
    """A TinaKitError that explains an error of the disk."""
    place = place.absolute()
    named = [getattr(error, name, None) for name in ("filename", "filename2")]
    paths = [Path(os.fsdecode(n)).absolute() for n in named if isinstance(n, (str, bytes, Path))]
    number = _number(error)
    paths.sort(key=lambda path: place not in path.parents)  # prefer the path inside `place`
    where = _refusing(paths or [place]) if number in _REFUSED else [*paths, place][0]
    reason = getattr(error, "strerror", None) or error
    inside = where == place or place in where.parents
    if not inside and where not in place.parents:  # an unrelated file, like a data set's
        return TinaKitError(f"{where}: {reason}")
    if number in _REFUSED:
        what = f"no permission ({_owner(where)})"
        if inside:
            what += f". Have the owner run `chmod -R g+rwX '{place}'`, or"
        else:
            what += f", so {place} cannot be created;"
    else:
        what = {**_FULL, **_BROKEN}.get(number or 0, f"cannot be written to ({reason});")
    return TinaKitError(f"{where}: {what} {remedy}")


def is_full(error: Exception) -> bool:
    """Whether the error is a lack of disk space or quota."""
    return _number(error) in _FULL


def _number(error: Exception) -> int | None:
    """The errno of an error; safetensors gives it only in its message."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def _refusing(paths: Sequence[Path]) -> Path:
    """The first of these files and their folders that this process may not write to."""
    for path in paths:
        there = [each for each in (path, *path.parents) if os.path.lexists(each)]
        for each in there[:2] if there[0] == path else there[:1]:
            if not os.access(each, os.R_OK | os.W_OK | (os.X_OK if each.is_dir() else 0)):
                return each
    return paths[0]


def _owner(path: Path) -> str:
    status = path.stat()
    owner, group = str(status.st_uid), str(status.st_gid)
    with suppress(KeyError):  # an ID without a name
        owner = path.owner()
    with suppress(KeyError):
        group = path.group()
    return f"it belongs to {owner}, group {group}, {filemode(status.st_mode)}"
