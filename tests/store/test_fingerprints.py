"""What lies in files goes into keys, and is hashed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tina_kit.api import UserError
from tina_kit.store import content_of, fingerprints


def listed(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "files"
    place.mkdir()
    for name in "abc":
        (place / name).write_text(name * 3)
    return place


def test_content_and_names_count_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    before = content_of(listed(folder))
    moved = folder.rename(tmp_path / "moved")
    assert content_of(listed(moved)) == before
    (moved / "a").write_text("xyz")  # as long as before
    changed = content_of(listed(moved))
    assert changed != before
    (moved / "a").rename(moved / "d")
    assert content_of(listed(moved)) not in (before, changed)


def test_files_that_did_not_change_are_not_read_again(folder: Path, monkeypatch) -> None:
    before = content_of(listed(folder))
    monkeypatch.setattr(fingerprints, "_hash", lambda _: pytest.fail("read again"))
    assert content_of(listed(folder)) == before
    os.utime(folder / "a", ns=(1, 1))
    monkeypatch.setattr(fingerprints, "_hash", lambda _: "hashed")
    assert content_of(listed(folder)) == "hashed"


@pytest.mark.parametrize("replaced", [False, True], ids=["written over", "another file"])
def test_other_content_of_the_same_size_and_date_is_read(folder: Path, replaced: bool) -> None:
    path = folder / "a"
    before, dates = content_of(listed(folder)), path.stat()
    other = folder.with_name("other") if replaced else path
    other.write_text("xyz")  # as long as before
    os.utime(other, ns=(dates.st_atime_ns, dates.st_mtime_ns))  # as `cp -p` and archives do
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (dates.st_size, dates.st_mtime_ns)
    assert content_of(listed(folder)) != before


def test_no_files_are_no_content_and_a_missing_one_is_told(tmp_path: Path) -> None:
    assert content_of({}) == ""
    with pytest.raises(UserError, match="gone: cannot be read"):
        content_of({"gone": tmp_path / "gone"})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")
@pytest.mark.timeout(20)
def test_a_pipe_is_told_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(UserError, match="pipe: cannot be read: it is a named pipe, not a regular"):
        content_of(listed(folder))


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_need_not_be_text(folder: Path) -> None:
    before = content_of(listed(folder))
    (folder / os.fsdecode(b"\xff")).write_text("x")
    assert content_of(listed(folder)) != before
