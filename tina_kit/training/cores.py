"""Runs independent tasks in parallel, each on one CPU core.

For many small networks, or many batches through one network, this is faster than using all cores
for one task after another, and results do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier
from typing import TypeVar

import torch

A = TypeVar("A")
T = TypeVar("T")


def on_every_core(work: Callable[[A], T], pieces: Iterable[A]) -> Iterator[T]:
    """Apply `work` to each piece and yield the results in order. Autocast and inference mode are
    the caller's; outside inference mode gradients are recorded."""
    enabled, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    inference = torch.is_inference_mode_enabled()

    def there(piece: A) -> T:
        with torch.inference_mode(inference), torch.autocast("cpu", dtype, enabled=enabled):
            return work(piece)

    yield from _pool(torch.get_num_threads()).map(there, pieces)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, "core", initializer=_one_core)
    together = Barrier(threads)  # makes the pool start all of its threads now
    list(pool.map(lambda _: together.wait(), range(threads)))
    torch.set_num_threads(threads)  # each thread has also changed the default of later threads
    return pool


def _one_core() -> None:
    torch.get_num_threads()  # a thread adopts the default on its first call, and only then
    torch.set_num_threads(1)
