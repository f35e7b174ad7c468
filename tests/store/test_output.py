"""A file that a user named is written wherever its path leads, and nothing else is replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tina_kit.api import TinaKitError, UserError
from tina_kit.store.output import check_output, is_stream, write_output

LONG = b"x" * 300_000  # more than a pipe holds


def test_a_regular_file_appears_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_output(path, b"first")
    path.chmod(0o640)
    write_output(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_a_failure_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "out.json"
    path.write_bytes(b"older")
    monkeypatch.setattr("tina_kit.store.files.flush", fail)
    with pytest.raises(
        TinaKitError, match=r"the disk failed .* choose another location with --output"
    ):
        write_output(path, b"newer")
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path: Path, there: bool) -> None:
    (tmp_path / "a").mkdir()
    real, link, chain = tmp_path / "a" / "real", tmp_path / "link", tmp_path / "chain"
    if there:
        real.write_bytes(b"older")
    link.symlink_to("a/real")
    chain.symlink_to(link)
    write_output(chain, b"newer")
    assert link.is_symlink() and chain.is_symlink()
    assert not real.is_symlink() and real.read_bytes() == b"newer"


def test_a_link_to_a_missing_folder_and_a_loop_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("none/real")
    with pytest.raises(UserError, match=rf"link: there is no folder {tmp_path}/none$"):
        write_output(tmp_path / "link", b"x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"loop: cannot be written: Too many levels"):
        write_output(tmp_path / "loop", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "loop"]


@pytest.mark.skipif(not hasattr(os, "mknod") or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_written_into(tmp_path: Path) -> None:
    device = tmp_path / "null"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    try:
        with device.open("wb"):
            pass
    except PermissionError:
        pytest.skip("devices cannot be opened in this folder")
    write_output(device, b"x")
    assert stat.S_ISCHR(device.stat().st_mode) and is_stream(device)
    link = tmp_path / "link"
    link.symlink_to(device)
    write_output(link, b"x")
    assert link.is_symlink() and stat.S_ISCHR(device.stat().st_mode)


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_output(fifo, LONG)
    reader.join()
    assert read == [LONG]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize("path", ["LINK", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_an_open_file_of_this_process_is_written_into(tmp_path: Path, path: str, kind: str) -> None:
    if not os.path.exists(path.replace("LINK", "/dev/stdout")):
        pytest.skip(f"there is no {path}")
    link = tmp_path / "link"
    link.symlink_to("/dev/stdout")
    code = "import sys; from pathlib import Path; from tina_kit.store.output import write_output; "
    code += "write_output(Path(sys.argv[1]), b'newer')"
    command = [sys.executable, "-c", code, path.replace("LINK", str(link))]
    if kind == "pipe":
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"newer"
    else:
        out = tmp_path / "out"
        out.write_bytes(b"older, ")
        before = out.stat().st_ino
        with out.open("ab") as file:  # as `>> out` does
            subprocess.run(command, stdout=file, check=True)
        assert out.read_bytes() == b"older, newer" and out.stat().st_ino == before
    assert link.is_symlink()


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    for check in (check_output, lambda path: write_output(path, b"x")):
        with pytest.raises(UserError, match=rf"none/x: there is no folder {tmp_path}/none$"):
            check(tmp_path / "none" / "x")
    assert not list(tmp_path.iterdir())


def test_a_folder_and_what_is_below_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is a folder; name a file in it"):
        write_output(tmp_path, b"x")
    (tmp_path / "file").write_bytes(b"older")
    with pytest.raises(UserError, match=r"file/x: cannot be written: Not a directory"):
        write_output(tmp_path / "file" / "x", b"x")
    assert (tmp_path / "file").read_bytes() == b"older"


def test_missing_permission_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    allowed = {str(path): True, str(tmp_path): True}
    monkeypatch.setattr(os, "access", lambda place, mode: allowed.get(str(place), True))
    allowed[str(tmp_path)] = False
    with pytest.raises(UserError, match=rf"out: no permission to write to {tmp_path}$"):
        check_output(path)
    path.write_bytes(b"older")
    allowed[str(path)] = False
    with pytest.raises(UserError, match=r"out: no permission to write to this file$"):
        check_output(path)


def test_a_file_that_cannot_be_replaced_but_written_is_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(16, "Device or resource busy")  # a file that is a mount point

    path = tmp_path / "out"
    path.write_bytes(b"older and longer")
    before = path.stat().st_ino
    monkeypatch.setattr("tina_kit.store.files.os.replace", busy)
    write_output(path, b"newer")
    assert path.read_bytes() == b"newer" and path.stat().st_ino == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
