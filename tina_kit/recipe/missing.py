"""What may have been meant by the name of a file that does not exist."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path


def meant(path: Path) -> str:
    """The nearest name in its folder, to follow "there is no PATH"; "" where none is near."""
    if path.is_dir():
        return " (it is a folder)"
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return "" if path.parent.is_dir() else " (nor its folder)"
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
