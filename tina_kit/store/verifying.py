"""Whether results are what they were when they were stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from tina_kit.store.listing import Item, items
from tina_kit.store.names import Result
from tina_kit.store.sealing import verified


def verified_all(
    root: Path, results: Collection[Result] | None = None
) -> Iterator[tuple[Item, str]]:
    """Each result of a store, or each of some, with what is wrong with it, "" if nothing is. Reads
    all files."""
    for item in items(root, {stage for stage, _ in results} if results is not None else ()):
        if results is None or item.result in results:
            yield item, verified(item.folder, item.result)
