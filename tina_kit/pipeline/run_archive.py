"""A run folder as one file, which is untrusted when it is read.

The store's results are not in it: the run can be shown and compared elsewhere, but its generators
need `tina-kit store pack`, or a bundle.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from tina_kit.api import UserError
from tina_kit.pipeline.keeping import keep
from tina_kit.pipeline.record import read_record
from tina_kit.pipeline.run_folders import EVALUATIONS, FILES, FOLDERS, RECORD, RunFolder
from tina_kit.recipe.schema import unfit_as_name
from tina_kit.store import Store
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import draft_of, remove
from tina_kit.store.names import of_run_folder
from tina_kit.store.output import check_output
from tina_kit.store.zipped import check_members, extract, not_such, reading, write_zip

FORMAT, VERSION, MANIFEST = "tina-kit run", 1, "archive.json"
_WHAT = "an archive of a run"
_MEMBERS, _LARGEST_JSON = 10_000, 1 << 16


def export_run(folder: Path, output: Path, evaluations: Any = None) -> int:
    """Write a finished run to one file, which is replaced; returns its bytes.

    evaluations: the content of `evaluations.json`, if the folder is from before there was one.
    Raises UserError if it is no finished run or the file cannot be written.
    """
    check_output(output)
    record = read_record(folder)
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    files = {
        name: path
        for name, path in found.items()
        if _is_member(name) and path.is_file() and not path.is_symlink()
    }
    about = {"format": FORMAT, "version": VERSION, "name": record["name"]}
    texts: dict[str, str | bytes] = {
        MANIFEST: json.dumps({**about, "folder": folder.resolve().name}, ensure_ascii=False)
    }
    if evaluations is not None:
        texts[EVALUATIONS] = json.dumps(evaluations)
    return write_zip(output, texts, files)


def import_run(path: Path, output: Path) -> Path:
    """Write the run in a file to a new folder `output/<name>/<time>-<key>/`, which is returned. The
    store keeps those of its results that are there, or come later.

    Raises UserError if the file is not such an archive, is damaged, or holds anything else, and if
    there is such a folder already.
    """
    damaged = not_such(path, _WHAT)
    with reading(path, _WHAT, damaged) as archive:
        name, stamp = _place(archive, path)
        check_members(archive, path.stat().st_size, _MEMBERS, _is_member, "archive of a run")
        if any(stat.S_ISLNK(member.external_attr >> 16) for member in archive.infolist()):
            raise ValueError("it has links")
        folder = output / name / stamp
        if folder.exists() or folder.is_symlink():
            raise UserError(f"{folder}: there is such a run already")
        draft = draft_of(folder)
        with explaining(output, OUTPUT_REMEDY):
            _make(draft)
            try:
                for member in archive.namelist():
                    if member != MANIFEST:
                        extract(archive, member, draft / member)
                if RunFolder.open(draft).record["name"] != name:
                    raise ValueError(f"{MANIFEST} and {RECORD} name different runs")
                results = of_run_folder(draft).results
                os.rename(draft, folder)
            except UserError as error:
                raise damaged(str(error).replace(f"{draft}/", "")) from None
            finally:
                if draft.exists():
                    remove(draft)
                with suppress(OSError):  # unless there are runs in it
                    folder.parent.rmdir()
    keep(Store.default().root, folder, results, name)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{folder.parent}: cannot be written: {error.strerror}") from None


def _place(archive: zipfile.ZipFile, path: Path) -> tuple[str, str]:
    """The folders that it was in. Raises UserError if it is no such archive, and ValueError if it
    is not as it should be."""
    if MANIFEST not in archive.namelist():
        raise UserError(f"{path}: not {_WHAT}: it has no {MANIFEST}")
    if archive.getinfo(MANIFEST).file_size > _LARGEST_JSON:
        raise ValueError(f"{MANIFEST} is too large")
    about = json.loads(archive.read(MANIFEST))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UserError(f"{path}: not {_WHAT}")
    if about.get("version") != VERSION:
        raise UserError(
            f"{path}: this archive has format {str(about.get('version'))[:20]}, but this tina-kit "
            f"reads format {VERSION}"
        )
    names = about.get("name"), about.get("folder")
    for name in names:
        if not isinstance(name, str) or name.startswith(".") or unfit_as_name(name):
            raise ValueError(f"{MANIFEST} names no folder")
    return str(names[0]), str(names[1])


def _is_member(name: str) -> bool:
    """Whether it is a file that run folders have; never one outside of the folder."""
    parts = PurePosixPath(name).parts
    if name in (MANIFEST, *FILES):
        return True
    fits = all(not part.startswith(".") and not unfit_as_name(part) for part in parts[1:])
    return len(parts) == 2 and parts[0] in FOLDERS and fits and name == "/".join(parts)
