"""Independent pieces of work, each on one core of the CPU.

For many small networks, or many batches through one network, this is faster than all cores for one
piece after another, and what a piece computes does not depend on how many cores there are.
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
    """`work` for each piece, the results in order. Precision (autocast) and inference mode are
    those of the caller; gradients are computed unless that is inference mode."""
    enabled, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    inference = torch.is_inference_mode_enabled()

    def there(piece: A) -> T:
        with torch.inference_mode(inference), torch.autocast("cpu", dtype, enabled=enabled):
            return work(piece)

    yield from _pool(torch.get_num_threads()).map(there, pieces)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, "core", initializer=_one_core)
    together = Barrier(threads)  # so that each thread is started, and none does all the waiting
    list(pool.map(lambda _: together.wait(), range(threads)))
    torch.set_num_threads(threads)  # each thread has also set the default of those to come
    return pool


def _one_core() -> None:
    torch.get_num_threads()  # a thread takes the default when it is first asked, and only then
    torch.set_num_threads(1)
