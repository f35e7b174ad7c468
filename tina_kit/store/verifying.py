"""Whether results are what they were when they were stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tina_kit.api import TinaKitError
from tina_kit.store.files import read_json
from tina_kit.store.keys import content_key
from tina_kit.store.listing import Item, items
from tina_kit.store.names import Result
from tina_kit.store.store import ENTRY, not_finite_in, verify


def verified_all(
    root: Path, results: Collection[Result] | None = None
) -> Iterator[tuple[Item, str]]:
    """Each result of a store, or each of some, with what is wrong with it, "" if nothing is. Reads
    all files."""
    for item in items(root, {stage for stage, _ in results} if results is not None else ()):
        if results is None or item.result in results:
            yield item, verified(item.folder, item.result)


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
