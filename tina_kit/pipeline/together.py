"""Asks a generator for several tasks at once, so that no p-Model depends on the other tasks.

How a matrix product is rounded depends on its size. A generator that is asked for two tasks gives
other last digits than one that is asked for three. So it is always asked for blocks of the same
size, and the last block is filled up. A small one computes in one thread, since threads that wait
for each other cost more than they save, and on a busy machine far more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from tina_kit.api import Generator

BLOCK = 8
"""Tasks of a block. Smaller ones are slower by task; in blocks whose size is no multiple of four, a
p-Model can depend on its place (CPU, torch 2.14)."""
LARGE = 50_000_000
"""Parameters of a generator from which on filling up costs more than a block saves."""
SMALL = 5_000_000
"""Parameters of a generator up to which one thread is enough."""
_Ask = Callable[[Tensor, "Tensor | None", int], Tensor]


def in_blocks(generator: Generator, conditions: Tensor, tasks: Tensor | None, ask: _Ask) -> Tensor:
    """float32 `(T, C, D)`, int64 `(T, C)` or None → float32 `(T, P)`.

    ask: generates, from conditions, tasks and how many of them to put into a request.
    """
    if generator.personalises:  # it fine-tunes, and p-Models that are added would cost as much
        return ask(conditions, tasks, 1)
    size = _parameters(generator)
    block = 1 if size >= LARGE else BLOCK
    count = len(conditions)
    places = torch.arange(count + -count % block).clamp(max=count - 1)
    with _one_thread() if size <= SMALL else nullcontext():
        vectors = ask(conditions[places], None if tasks is None else tasks[places], block)
    return vectors[:count]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _parameters(generator: Generator) -> int:
    modules = [value for value in vars(generator).values() if isinstance(value, nn.Module)]
    return sum(tensor.numel() for module in modules for tensor in module.parameters())
