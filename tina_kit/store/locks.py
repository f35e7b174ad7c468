"""File locks that the system releases when their holder dies, and that leave no files behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[str]:
    """Hold the lock file `path`, which exists only while some process wants it.

    waiting: called before waiting for another holder; without it, Busy is raised instead.
    Yields "", or the reason if the file system does not support locks and nothing is locked.
    """
    handle, lacking = _acquire(path, waiting)
    try:
        yield lacking
    finally:
        with suppress(OSError):  # before releasing it: see `_acquire`
            path.unlink()
        os.close(handle)


def _acquire(path: Path, waiting: Callable[[], None] | None) -> tuple[int, str]:
    while True:
        handle = _opened(path)
        try:
            lacking = _lock(handle, waiting)
            # The previous holder may have removed the file in the meantime.
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle, lacking
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        waiting = waiting and (lambda: None)  # call it only once


def _opened(path: Path) -> int:
    for _ in range(100):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError as error:  # another process has just removed the empty folder
            missing = error
    raise missing


def _lock(handle: int, waiting: Callable[[], None] | None) -> str:
    if fcntl is None:
        return "this system has no flock"
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise Busy from None
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:  # NFS without its lock daemon, some parallel file systems
        return error.strerror or str(error)
    return ""
