"""Results of a store in one file, to continue with them on another machine."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tina_kit.api import UserError
from tina_kit.store.disk import STORE_REMEDY, explaining
from tina_kit.store.files import draft_of, remove
from tina_kit.store.local import UNPACKED
from tina_kit.store.locks import Busy
from tina_kit.store.names import Names, Result
from tina_kit.store.output import check_output
from tina_kit.store.sealing import ENTRY, FILE, WORD, verified
from tina_kit.store.store import Store
from tina_kit.store.zipped import check_members, extract, not_such, reading, write_zip

FORMAT, VERSION, MANIFEST = "tina-kit results", 1, "results.json"
_WHAT = "an archive of results"
_MEMBERS = 1_000_000
_LARGEST_MANIFEST = 1 << 28  # bytes
_MEMBER = re.compile(rf"({WORD})/({WORD})/({FILE})", re.ASCII)


class _Packed(BaseModel):
    """The manifest. title: where the results come from."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    format: str
    version: int
    title: str
    results: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


@dataclass(frozen=True)
class Unpacked:
    """title: where the results come from; new: those that were not in the store."""

    title: str
    results: Sequence[Result]
    new: Sequence[Result]


def pack(store: Store, results: Iterable[Result], output: Path, title: str) -> int:
    """Write results to one file, which is replaced; returns its bytes. Raises UserError if the file
    cannot be written, and TinaKitError for a result that is missing or was altered."""
    check_output(output)
    wanted = sorted(set(results))
    files: dict[str, Path] = {}
    for stage, key in wanted:
        folder = store.open(stage, key).folder
        names = [ENTRY, *store.open(stage, key).json(ENTRY)["files"]]
        files |= {f"{stage}/{key}/{name}": folder / name for name in names}
    if odd := next((name for name in files if not _MEMBER.fullmatch(name)), None):
        raise UserError(f"{store.root / odd}: only safetensors and JSON can be packed")
    told = {"format": FORMAT, "version": VERSION, "title": title, "results": wanted}
    return write_zip(output, {MANIFEST: json.dumps(told, ensure_ascii=False)}, files)


def unpack(store: Store, path: Path, tell: Callable[[str], None] = lambda line: None) -> Unpacked:
    """Add the results in a file to the store, and pin them: no run names them yet. Results that are
    there already stay as they are.

    Nothing is added unless everything in the file is as it was packed. Raises UserError if it is
    not, and TinaKitError if the store cannot be written. tell: called before waiting.
    """
    draft = draft_of(store.root / UNPACKED[1:])
    damaged = not_such(path, _WHAT)
    with explaining(store.root, STORE_REMEDY):
        try:
            with reading(path, _WHAT, damaged) as archive:
                packed = _manifest(archive, path)
                check_members(archive, path.stat().st_size, _MEMBERS, _is_member, "archive")
                results = _results(archive, packed)
                with explaining(store.root, STORE_REMEDY):  # before it is the archive's fault
                    for name in archive.namelist():
                        if name != MANIFEST:
                            extract(archive, name, draft / name)
            for stage, key in results:
                if problem := verified(draft / stage / key, (stage, key)):
                    raise damaged(f"{stage}/{key}: {problem}")
            Names(store.root).add("pin", f"unpacked: {packed.title}", results, packed.title, tell)
            new = [each for each in results if _added(store, each, draft)]
            store.tidy()
        finally:
            with suppress(FileNotFoundError):
                remove(draft)
    return Unpacked(packed.title, results, new)


def _added(store: Store, result: Result, draft: Path) -> bool:
    stage, key = result
    try:
        with store.alone(stage, key):
            if store.here(stage, key):
                return False
            store.publish(draft / stage / key, stage, key)
            return True
    except Busy:  # a run is computing it, and will store the same
        return False


def _is_member(name: str) -> bool:
    return name == MANIFEST or bool(_MEMBER.fullmatch(name))


def _manifest(archive: zipfile.ZipFile, path: Path) -> _Packed:
    """Raises UserError if there is none, and ValueError if it is not as it should be."""
    if MANIFEST not in archive.namelist():
        raise UserError(f"{path}: not {_WHAT}: it has no {MANIFEST}")
    if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise ValueError(f"{MANIFEST} is too large")
    try:
        packed = _Packed.model_validate_json(archive.read(MANIFEST))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{MANIFEST}: {first['msg']}") from None
    if packed.format != FORMAT:
        raise UserError(f"{path}: not {_WHAT} (format {packed.format[:100]!r})")
    if packed.version > VERSION:
        raise UserError(
            f"{path}: this archive has format {packed.version}, but this tina-kit reads format "
            f"{VERSION}; install a newer tina-kit"
        )
    return packed


def _results(archive: zipfile.ZipFile, packed: _Packed) -> list[Result]:
    """Those that the manifest lists. Raises ValueError unless exactly their files are there."""
    results = [(stage, key) for stage, key in packed.results]
    there = {tuple(name.split("/")[:2]) for name in archive.namelist() if name != MANIFEST}
    if there != set(results):
        raise ValueError(f"{MANIFEST} lists other results than it holds")
    return results
