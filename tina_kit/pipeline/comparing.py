"""Reads finished runs to compare them."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.api.paths import user_path
from tina_kit.pipeline.notes import read_notes
from tina_kit.pipeline.record import read_record
from tina_kit.pipeline.run_files import Evaluations, Results, read_content
from tina_kit.pipeline.run_folders import EVALUATIONS, RESOLVED, RESULTS, recipe_text
from tina_kit.recipe.yaml12 import parse
from tina_kit.report.comparison.pairs import compare
from tina_kit.report.comparison.side import Side
from tina_kit.report.comparison.whole import Comparison

MOST = len(string.ascii_uppercase)
Counts = Callable[[Path], Any]
"""What was counted in a run, of a folder from before there was an `evaluations.json`."""


def compared(names: Sequence[str], counts_of: Counts) -> Comparison:
    """Compare runs with the first of them. names: run folders, each perhaps followed by `:ROW`.
    Raises UserError for what is no finished run, and for a generator that a run lacks."""
    if not 2 <= len(names) <= MOST:
        raise UserError(f"give 2 to {MOST} runs to compare, not {len(names)}")
    sides = [side_of(label, name, counts_of) for label, name in zip(string.ascii_uppercase, names)]
    try:
        return Comparison(compare(sides))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        folders = ", ".join(dict.fromkeys(side.folder for side in sides))
        raise UserError(f"{folders}: a file of these runs is damaged ({error!r})") from error


def split_row(name: str) -> tuple[Path, str | None]:
    """The folder and the generator in `RUN:ROW`. A folder whose name has a colon stays whole."""
    folder, colon, row = name.rpartition(":")
    if not colon or Path(name).is_dir():
        return user_path(name), None
    return user_path(folder), row


def side_of(label: str, name: str, counts_of: Counts) -> Side:
    """A finished run as `compare` takes it. name: as in `compared`."""
    folder, row = split_row(name)
    record = read_record(folder)
    try:
        results = read_content(folder / RESULTS, Results)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / RESULTS}: cannot be read: {error}") from None
    try:
        recipe = parse(recipe_text(folder), str(folder / RESOLVED), folder).plain()
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / RESOLVED}: cannot be read: {error}") from None
    try:
        evaluations = read_content(folder / EVALUATIONS, Evaluations)
    except FileNotFoundError:
        evaluations = counts_of(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / EVALUATIONS}: cannot be read: {error}") from None
    notes = read_notes(folder)
    about = {"tags": list(notes.tags), "note": notes.note}
    return Side(label, str(folder), row, record, recipe, results, evaluations, about)
