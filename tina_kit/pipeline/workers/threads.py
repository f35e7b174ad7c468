"""How many threads a worker has."""

from __future__ import annotations

import os

THREADS = "OMP_NUM_THREADS"


def threads_of(cores: int, workers: int) -> int:
    """Those that OMP_NUM_THREADS asks for, else an equal share of the cores."""
    return asked_threads() or max(1, cores // workers)


def asked_threads() -> int:
    """Those that OMP_NUM_THREADS asks for, 0 if it asks for none."""
    asked = os.environ.get(THREADS, "")
    return int(asked) if asked.isdecimal() else 0
