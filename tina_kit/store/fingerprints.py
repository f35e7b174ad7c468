"""Content hashes of external files, cached by size and timestamps."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event

from tina_kit.api import UserError, file_problem
from tina_kit.store.files import read_json, sha256, write_json
from tina_kit.store.store import Store

_KNOWN = ".fingerprints"


def content_of(files: Mapping[str, str | Path]) -> str:
    """The hash of all names and contents; "" for no files.

    Hashes are cached in the default store by path, size, inode and timestamps. Raises UserError
    naming a file that cannot be read.
    """
    if not files:
        return ""
    try:
        stamp = hashlib.sha256()
        for name in sorted(files):
            found = os.stat(files[name])
            if not stat.S_ISREG(found.st_mode):  # reading a pipe could block forever
                raise UserError(f"{files[name]}: cannot be read: {file_problem(files[name])}")
            stamp.update(_bytes(f"{name}\0{files[name]}\0{_facts(found)}\n"))
        known = Store.default().root / _KNOWN / f"{stamp.hexdigest()[:32]}.json"
        try:
            return str(read_json(known)["content"])
        except (OSError, ValueError, KeyError, TypeError):
            content = _hash(files)
        with suppress(OSError):  # without the cache it is hashed again next time
            write_json(known, {"content": content, "files": len(files)})
        return content
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _bytes(line: str) -> bytes:
    return line.encode("utf-8", "surrogatepass")  # file names need not be UTF-8


def _facts(found: os.stat_result) -> str:
    """Size, inode, and both `st_mtime` and `st_ctime`: a copy may preserve `st_mtime`."""
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return "\0".join(map(str, (found.st_size, found.st_ino, *times)))


def _hash(files: Mapping[str, str | Path]) -> str:
    names, stop = sorted(files), Event()
    whole = hashlib.sha256()
    with ThreadPoolExecutor() as pool:
        try:
            read = partial(sha256, stop=stop)
            for name, content in zip(names, pool.map(read, (Path(files[name]) for name in names))):
                whole.update(_bytes(f"{name}\0{content}\n"))
        finally:
            stop.set()  # so that an interrupt does not wait for a huge file
    return whole.hexdigest()
