"""Why a file that a recipe names cannot be read, and a suggestion of what may have been meant."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from tina_kit.api.files import FOLDER, NO_FILE, file_problem


def absent(path: Path, regular: bool = False) -> str:
    """Why `path` cannot be read; "" if it is a file or a folder.

    regular: whether it must be a file. Devices and named pipes are rejected: reading them may never
    end.
    """
    problem = file_problem(path)
    if problem is None or (problem == FOLDER and not regular):
        return ""
    if problem in (NO_FILE, FOLDER):
        return f"there is no {path}{_meant(path)}"
    return f"{path} cannot be read: {problem}"


def _meant(path: Path) -> str:
    """What to append to "there is no PATH": the most similar name in its folder, or ""."""
    try:
        if path.is_dir():
            return " (it is a folder)"
        names = sorted(os.listdir(path.parent))
    except OSError:
        return "" if path.parent.is_dir() else " (nor its folder)"
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
