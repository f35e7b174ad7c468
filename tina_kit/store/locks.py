"""Locks that the system frees when their holder dies, and nothing stays of."""

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
    """Hold the lock of the file `path`, which is there as long as somebody wants it.

    waiting: called before another holder is waited for; without it Busy is raised.
    Gives "", or why nothing is locked where the file system has no locks.
    """
    handle, lacking = _acquire(path, waiting)
    try:
        yield lacking
    finally:
        with suppress(OSError):  # while it is held: see `_acquire`
            path.unlink()
        os.close(handle)


def _acquire(path: Path, waiting: Callable[[], None] | None) -> tuple[int, str]:
    while True:
        handle = _opened(path)
        try:
            lacking = _lock(handle, waiting)
            # The holder before may have removed the file that was waited for.
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle, lacking
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        waiting = waiting and (lambda: None)  # it has been called


def _opened(path: Path) -> int:
    for _ in range(100):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError as error:  # another holder has just removed the empty folder
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
