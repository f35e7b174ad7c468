"""Writes new files for a user, never replacing an existing one."""

from __future__ import annotations

import os
from pathlib import Path

from tina_kit.api import UserError


def check_new(path: Path, remedy: str) -> None:
    """Raise UserError if `write_new` would, as far as that can be known without writing.

    remedy: how to choose another file.
    """
    if path.is_dir():
        raise UserError(f"{path}: this is a folder; name a new file in it, or {remedy}")
    if os.path.lexists(path):
        raise UserError(f"{path}: this file exists; remove it, or {remedy}")
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"{path}: there is no folder {folder}; create it, or {remedy}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{path}: no permission to write to {folder}; {remedy}")


def write_new(path: Path, text: str, remedy: str) -> None:
    """Write a new file. Raises UserError if it already exists or cannot be written."""
    check_new(path, remedy)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; {remedy}") from None
