"""Archives as zip files, which are untrusted when they are read.

Members are stored as they are, so that a file's size bounds what is read from it, and the same
content gives the same bytes.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tina_kit.api import TinaKitError, UserError, abridged, file_problem, first_line, printable
from tina_kit.store.disk import OUTPUT_REMEDY, explaining
from tina_kit.store.files import replacing
from tina_kit.store.output import is_stream, write_output

_DATED = (1980, 1, 1, 0, 0, 0)
Damaged = Callable[[str], UserError]
"""Why → the error that says so."""


@contextmanager
def reading(path: Path, what: str, damaged: Damaged) -> Iterator[zipfile.ZipFile]:
    """A zip file to read in the block. Raises UserError for whatever is wrong with it.

    what: it should be, like "a bundle".
    """
    if problem := file_problem(path):
        raise UserError(f"{path}: cannot read {what}: {problem}")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (TinaKitError, MemoryError):
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot read {what}: {error.strerror or error}") from None
    except Exception as error:  # a damaged zip can raise anything
        raise damaged(first_line(error)[:300] or type(error).__name__) from None


def check_members(
    archive: zipfile.ZipFile, size: int, most: int, allowed: Callable[[str], bool], what: str
) -> None:
    """Raise ValueError unless all members are stored as they are, are no larger than the file of
    `size` bytes, and have names that are allowed.

    most: how many members there may be; what: has such names, like "bundle".
    """
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) > most or len(set(names)) < len(names):
        raise ValueError("it has too many members, or two of one name")
    if odd := [name for name in names if not allowed(name)]:
        raise ValueError(f"it has members that no {what} has: {abridged(odd)[:300]}")
    if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
        raise ValueError("its members are compressed or encrypted")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its members are larger than the file")


def extract(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    """Write a member to a file, comparing its checksum at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def write_zip(path: Path, texts: Mapping[str, str | bytes], files: Mapping[str, Path]) -> int:
    """Write an archive to a file that a user names; returns its bytes. Raises UserError if it
    cannot be written.

    texts: content of members; files: members that are copied from files.
    """

    def write(draft: Path) -> None:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for name, text in texts.items():
                archive.writestr(_info(name), text)
            for name, file in files.items():
                with (
                    file.open("rb") as source,
                    archive.open(_info(name), "w", force_zip64=True) as target,
                ):
                    shutil.copyfileobj(source, target, 1 << 20)

    if is_stream(path):
        with TemporaryDirectory() as folder:
            write(Path(folder) / "archive")
            content = (Path(folder) / "archive").read_bytes()
        write_output(path, content)
        return len(content)
    try:
        with explaining(path.parent, OUTPUT_REMEDY), replacing(Path(path).resolve()) as draft:
            write(draft)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    return path.stat().st_size


def not_such(path: Path, what: str) -> Damaged:
    """For a file that should be `what`, like "a bundle"."""
    return lambda why: UserError(f"{path}: not {what}, or a damaged one: {printable(why)}")


def _info(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _DATED)
