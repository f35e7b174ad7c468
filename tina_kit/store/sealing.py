"""What makes a folder a finished result: `entry.json`, with the size and the hash of each file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.store.files import flush, mode_of_new_files, read_json, sha256, share, write_json
from tina_kit.store.keys import content_key
from tina_kit.store.names import Result
from tina_kit.store.tensors import SUFFIX, NotFinite, file_not_finite

ENTRY = "entry.json"
WORD = r"[A-Za-z0-9_-][\w.-]{0,99}"
FILE = rf"{WORD}(?:/{WORD}){{0,3}}\.(?:json|safetensors)"
"""Names of files that are taken from elsewhere, as ASCII."""


def seal(folder: Path, stage: str, key: str, seconds: float, facts: Mapping[str, Any]) -> None:
    if problem := not_finite_in(folder):
        raise NotFinite(
            f"stage {stage} ({key}): {problem}; nothing was stored. If this was trained, lower its "
            "learning_rate or set precision: fp32; if it comes from files (checkpoint, "
            "inherit_file, a table of embeddings), check their content"
        )
    files, mode = {}, mode_of_new_files(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        share(path, mode)
        flush(path)
        name = path.relative_to(folder).as_posix()
        files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    entry = {
        "stage": stage,
        "key": key,
        **facts,
        "seconds": round(seconds, 3),
        "finite": True,
        "files": files,
    }
    write_json(folder / ENTRY, entry)


def verify(folder: Path) -> None:
    """Raise TinaKitError if any file has changed since the entry was written, or if weights are not
    finite (entries of earlier versions were not checked for that)."""
    try:
        entry = read_json(folder / ENTRY)
        for name, expected in entry["files"].items():
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size is None:
                raise _damaged(folder, f"{name} is missing")
            if size != expected["bytes"]:
                raise _damaged(folder, f"{name} has {size} bytes instead of {expected['bytes']}")
            if sha256(path) != expected["sha256"]:
                raise _damaged(folder, f"{name} was altered")
    except FileNotFoundError:
        raise _damaged(folder, f"{ENTRY} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder, f"{ENTRY} was altered") from None
    if not entry.get("finite") and (problem := not_finite_in(folder)):
        raise _damaged(folder, problem)


def not_finite_in(folder: Path) -> str:
    """What is wrong with the first tensor in a folder that contains NaN or infinity; "" if none
    does."""
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        if problem := file_not_finite(path):
            return f"{path.relative_to(folder).as_posix()}: {problem}"
    return ""


def _damaged(folder: Path, what: str) -> TinaKitError:
    return TinaKitError(
        f"{folder}: {what}. Remove this entry and run again to recompute it:\n  rm -r '{folder}'"
    )


def verified(folder: Path, result: Result) -> str:
    """What is wrong with a result in a folder; "" if nothing is.

    Its files have the hashes that were recorded and hold only finite numbers, and what was recorded
    of its key gives that key.
    """
    try:
        verify(folder)
        entry = read_json(folder / ENTRY)
        names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        if odd := names - {ENTRY, *entry["files"]}:
            return f"{sorted(odd)[0]} does not belong to it"
        if (entry["stage"], entry["key"]) != result:
            return f"{ENTRY} is that of {entry['stage']}/{entry['key']}"
        if "after" in entry and _key(entry) != result[1]:
            return f"{ENTRY} was altered: it does not give the key"
        return not_finite_in(folder)
    except TinaKitError as error:
        return str(error).removeprefix(f"{folder}: ").partition(". Remove this entry")[0]
    except OSError as error:
        return f"{error.filename or folder} cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return f"{ENTRY} was altered"


def _key(entry: Mapping[str, Any]) -> str:
    whole = {name: entry[name] for name in ("stage", "version", "settings")}
    return content_key({**whole, "after": [each["key"] for each in entry["after"]]})
