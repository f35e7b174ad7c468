"""The folder of a result that is being computed: a lock beside it, checkpoints, and drafts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tina_kit.store.files import found_in, read_json, remove_left_over, write_json

WORK, _BEGUN = ".partial", "begun_by.json"


def lock_of(work: Path) -> Path:
    return work.with_name(f"{work.name}.lock")


def checkpoints(work: Path) -> list[Path]:
    return found_in(work, "*.safetensors")


def begun_by(work: Path, made_by: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The `made_by` of the run that left checkpoints here; if there are none, record this run's and
    return None."""
    if checkpoints(work):
        with suppress(OSError, ValueError):
            return dict(read_json(work / _BEGUN))
    write_json(work / _BEGUN, dict(made_by))
    return None


def clear(work: Path, alone: bool) -> None:
    """Remove a work folder unless another run may be using it."""
    remove_left_over(work)
    if alone or not found_in(work, ".*"):
        shutil.rmtree(work, ignore_errors=True)
