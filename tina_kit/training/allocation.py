"""Makes the allocator reuse memory that was freed in the previous step."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from functools import cache

KEPT = 1 << 29
"""Bytes of freed memory that the process keeps instead of returning them to the system."""
_MMAP_THRESHOLD = 1 << 25  # the maximum in glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep up to `KEPT` bytes of freed memory. Returns whether that could be set.

    By default glibc returns the activations of a small network to the system after every batch, and
    the next batch spends more time on page faults than on convolutions: with this setting CNN-5K is
    evaluated three times as fast (`tests/benchmarks/p_models.py`). Nothing changes if the user has
    set one of glibc's own variables or uses another allocator.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if chosen or not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    options = ((_M_TRIM_THRESHOLD, KEPT), (_M_MMAP_THRESHOLD, _MMAP_THRESHOLD))
    return [set_option(name, value) for name, value in options] == [1, 1]


def return_freed_memory() -> None:
    """Return freed memory to the system, also what lies between memory in use, as glibc does not of
    itself. Nothing happens with another allocator."""
    with suppress(OSError, AttributeError, TypeError):  # TypeError: on Windows
        ctypes.CDLL(None).malloc_trim(0)
