"""Memory that is freed in one step is used again in the next."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

KEPT = 1 << 29
"""Bytes of freed memory that the process keeps, rather than give them back to the system."""
_MMAP_THRESHOLD = 1 << 25  # the most that glibc allows
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep up to `KEPT` bytes of freed memory; whether that could be set.

    By default it gives the activations of a small network back to the system after every batch, and
    the next one spends more time on page faults than on convolutions: CNN-5K is evaluated three
    times as fast with this (`tests/benchmarks/p_models.py`). Nothing is changed where the user has
    set one of glibc's own variables, or another allocator is used.
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
