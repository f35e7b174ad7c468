"""What a long stage tells about how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[int], None]
Progress = Callable[[str, int, int], AbstractContextManager[Advance]]
"""`progress(label, total, done)` opens a bar and gives the function that moves it on."""


@contextmanager
def silent(label: str, total: int, done: int) -> Iterator[Advance]:
    """Progress that nobody watches."""
    yield lambda steps: None
