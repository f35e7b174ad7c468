"""What may have been meant by the name of a file that does not exist."""

from __future__ import annotations

import os
import stat
from difflib import get_close_matches
from pathlib import Path


def meant(path: Path) -> str:
    """The nearest name in its folder, to follow "there is no PATH"; "" where none is near."""
    try:
        if path.is_dir():
            return " (it is a folder)"
        names = sorted(os.listdir(path.parent))
    except OSError:
        return "" if path.parent.is_dir() else " (nor its folder)"
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def absent(path: Path, regular: bool = False) -> str:
    """Why `path` cannot be read, in words; "" where it is a file or a folder.

    regular: whether it must be a file. Devices and named pipes, which may never end, are neither.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no {path}{meant(path)}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        return f"{path} cannot be read: {reason}"
    if stat.S_ISDIR(status.st_mode):
        return f"there is no {path} (it is a folder)" if regular else ""
    return "" if stat.S_ISREG(status.st_mode) else f"{path} is not a regular file"


def found(named: str, folder: Path) -> tuple[Path, str]:
    """The path that a recipe in `folder` names, and why it cannot be read, or ""."""
    try:
        path = folder / Path(named).expanduser()
    except RuntimeError:  # ~ of nobody
        return Path(named), f"there is no home folder for {named}"
    return path, absent(path)
