"""Files that answer for their content."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from tina_kit.api import UserError


def content(path: Path) -> str:
    """The hash of a file's content. Raises UserError where it cannot be read."""
    try:
        state = path.stat()
        return _content(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


@lru_cache
def _content(path: Path, size: int, changed: int) -> str:
    # Kept, since a run asks for it several times and weights are large.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
