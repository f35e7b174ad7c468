"""Many p-Models from a table of tasks: one process, batched, and continued where it was killed."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from tina_kit.api import UserError, name_index, read_text
from tina_kit.api.names import tidy
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.pipeline.seen import Familiarity
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import flush, remove_left_over, write_text

FORMAT = "tina-kit p-Models 1"
MANIFEST = "manifest.jsonl"
TOGETHER = 256
"""Tasks of a part, which is written whole or again."""
LARGEST = 1 << 28
"""Of a table, in bytes."""
_WRITERS = 16  # files written at once; each waits for the disk
_KEYS = {"task", "file", "classes", "bytes", "sha256", "unlike"}  # of an entry
_LISTED = 20  # mistakes in a table that a message lists
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Many:
    """What was written. made: p-Models of this call; kept: of earlier ones; unlike: how many have a
    class that is less similar to every seen one than `Familiarity.limit`."""

    folder: Path
    made: int
    kept: int
    unlike: int


def read_tasks(path: Path) -> list[list[str]]:
    """The tasks of a CSV file, the names of a task's classes in each line; blank lines are passed
    over. Raises UserError that lists the lines with mistakes."""
    tasks, wrong = [], []
    reader = csv.reader(StringIO(read_text(path, LARGEST)), skipinitialspace=True)
    try:
        for cells in reader:
            names = [tidy(cell) for cell in cells]
            while names and not names[-1]:  # spreadsheets fill up short lines
                del names[-1]
            if not names:
                continue
            try:
                name_index(names)
                if len(names) < 2:
                    raise UserError("a task has at least two classes, separated by commas")
                tasks.append(names)
            except UserError as error:
                wrong.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        wrong.append(f"line {reader.line_num}: {error}")
    if wrong:
        more = [f"and {len(wrong) - _LISTED:,} more"] if len(wrong) > _LISTED else []
        raise UserError(f"{path}: " + "\n  ".join(wrong[:_LISTED] + more))
    if not tasks:
        raise UserError(f"{path}: it contains no tasks; write the classes of one in each line")
    return tasks


def generate_many(
    generator: ReadyGenerator,
    tasks: Sequence[Sequence[str]],
    folder: Path,
    strict: bool = False,
    tell: Told = lambda done, of: None,
) -> Many:
    """Write the p-Model of each task, `000001.safetensors` and so on, and `manifest.jsonl`.

    What an earlier call for the same tasks has written is kept. strict: as in `generate`; tell: is
    told of each part how many tasks are done, and of how many. Raises UserError for tasks that the
    generator cannot answer, and for a folder that holds anything else.
    """
    head = _head(generator, tasks)
    entries = _resumed(folder, head, tasks)
    kept = len(entries)
    generator.remember(tasks)
    _check_alike(generator, tasks, entries, folder)
    if strict and (strange := [entry["file"] for entry in entries if entry["unlike"]]):
        raise UserError(
            f"{folder}: {len(strange)} p-Models there have classes that are too dissimilar to "
            f"every seen one; the first is {strange[0]}. Leave their tasks out, or ask "
            "without --strict"
        )
    with explaining(folder, OUTPUT_REMEDY), ThreadPoolExecutor(_WRITERS) as pool:
        _begin(folder, head, entries)
        tell(kept, len(tasks))
        waiting: list[tuple[dict[str, Any], Future[None]]] = []
        for first in (*range(kept, len(tasks), TOGETHER), len(tasks)):
            # Disks are slow with many files: a part is written while the next one is generated.
            part = [
                (entry, pool.submit(_write, folder / entry["file"], content))
                for entry, content in _part(generator, tasks, first, strict)
            ]
            done = [entry for entry, written in waiting if written.result() is None]
            _append(folder / MANIFEST, done)
            entries += done
            tell(len(entries), len(tasks))
            waiting = part
    unlike = sum(bool(entry["unlike"]) for entry in entries)
    return Many(folder, len(tasks) - kept, kept, unlike)


def _head(generator: ReadyGenerator, tasks: Sequence[Sequence[str]]) -> dict[str, Any]:
    listed = json.dumps([list(classes) for classes in tasks])
    return {
        "format": FORMAT,
        "run": generator.source.name,
        "generator": generator.name,
        "seed": generator.source.seed,
        "tasks": len(tasks),
        "tasks_sha256": hashlib.sha256(listed.encode()).hexdigest(),
    }


def _part(
    generator: ReadyGenerator, tasks: Sequence[Sequence[str]], first: int, strict: bool
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Entries of the manifest and their files' contents; none if `first` is the end."""
    if first == len(tasks):
        return
    lists = [list(classes) for classes in tasks[first : first + TOGETHER]]
    for number, model in enumerate(generator.generate(lists, strict=strict), first + 1):
        content = model.content()
        seen = Familiarity.read(model.metadata["seen"])
        entry = {
            "task": number,
            "file": f"{number:06}.safetensors",
            "classes": list(model.classes),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "unlike": [each.name for each in seen.unlike],
        }
        yield entry, content


def _write(file: Path, content: bytes) -> None:
    # It is not in the manifest yet, so that half of a file is written again.
    file.write_bytes(content)
    flush(file)


def _append(manifest: Path, part: Sequence[dict[str, Any]]) -> None:
    with manifest.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in part))
    flush(manifest)


def _begin(folder: Path, head: dict[str, Any], entries: Sequence[dict[str, Any]]) -> None:
    """Write the manifest with the entries that are kept, unless it is just that."""
    folder.mkdir(exist_ok=True)
    manifest = folder / MANIFEST
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in (head, *entries))
    if not manifest.exists() or read_text(manifest) != text:
        write_text(manifest, text)


def _resumed(
    folder: Path, head: dict[str, Any], tasks: Sequence[Sequence[str]]
) -> list[dict[str, Any]]:
    """The entries of whole parts whose files are there. Nothing is changed."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a folder")
    if not folder.is_dir():
        if not folder.resolve().parent.is_dir():
            raise UserError(f"{folder}: there is no folder {folder.resolve().parent}")
        return []
    manifest = folder / MANIFEST
    remove_left_over(folder, MANIFEST)
    if not manifest.exists():
        if any(folder.iterdir()):
            raise UserError(f"{folder}: this folder is not empty; name a new one")
        return []
    text = read_text(manifest)
    lines = text.split("\n")[:-1]  # what follows the last line's end was cut off
    try:
        found = json.loads(lines[0]) if lines else {}
        entries = [json.loads(line) for line in lines[1:]]
        if not isinstance(found, dict) or any(not set(entry) >= _KEYS for entry in entries):
            raise ValueError
        whole = _whole(folder, entries, tasks)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{manifest}: damaged; remove the folder to start again") from None
    if found != head:
        told = f"{found.get('tasks')} tasks by {found.get('generator')} of {found.get('run')}"
        raise UserError(
            f"{folder}: this folder holds p-Models for other tasks or by another generator "
            f"({told}); name a new folder"
        )
    return whole


def _whole(
    folder: Path, entries: Sequence[dict[str, Any]], tasks: Sequence[Sequence[str]]
) -> list[dict[str, Any]]:
    sound = 0
    for number, (entry, classes) in enumerate(zip(entries, tasks), 1):
        file = folder / f"{number:06}.safetensors"
        right = entry["file"] == file.name and entry["classes"] == list(classes)
        if not (right and file.is_file() and file.stat().st_size == entry["bytes"]):
            break
        sound = number
    return list(entries[: sound if sound == len(tasks) else sound // TOGETHER * TOGETHER])


def _check_alike(
    generator: ReadyGenerator,
    tasks: Sequence[Sequence[str]],
    entries: Sequence[dict[str, Any]],
    folder: Path,
) -> None:
    """Raise UserError unless the first part would be the same today; else a folder would hold
    p-Models of two generators, or of two machines."""
    if not entries:
        return
    first = next(_part(generator, tasks, 0, False))[0]
    if first["sha256"] != entries[0]["sha256"]:
        raise UserError(
            f"{folder}: its p-Models were made by a generator of the same name that gives others, "
            "or on hardware or with versions that do; name a new folder"
        )
