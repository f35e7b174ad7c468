"""Files are there whole or not at all, for all whom the umask lets read them, and nothing stays."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tina_kit.store.files import read_json, remove_left_over, replacing, write_json

KILLED = """
import os, signal, sys
from pathlib import Path
from tina_kit.store.files import replacing
with replacing(Path(sys.argv[1])) as draft:
    draft.write_text("half")
    draft.with_name(".tmpAbC").write_text("a draft of safetensors")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, path])
    assert run.returncode == -signal.SIGKILL


def test_a_reader_sees_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with replacing(path) as draft:
        draft.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), replacing(path) as draft:
        draft.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "new"
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027, 0o077])
def test_files_follow_the_umask_whoever_writes_them(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_json(tmp_path / "a.json", {})
        with replacing(tmp_path / "b.safetensors") as draft:
            save_file({"x": torch.ones(2)}, draft)  # writes for the owner alone
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"a.json": 0o666 & ~mask, "b.safetensors": 0o666 & ~mask}


def test_what_a_killed_process_was_writing_goes_with_the_next_writing(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    killed_while_writing(path)
    assert not path.exists() and len(list(tmp_path.rglob("*"))) == 3
    write_json(path, [1])
    assert list(tmp_path.iterdir()) == [path]


def test_what_others_write_or_have_written_stays(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in (".file.json.swp", ".other.json.1-2", ".file.json.12")]
    for path in kept:
        path.write_text("")
    with replacing(tmp_path / "file.json") as draft:
        draft.write_text("[0]")
        remove_left_over(tmp_path)  # as another run may
        assert draft.exists()
    assert set(tmp_path.iterdir()) == {*kept, tmp_path / "file.json"}


def test_all_that_was_left_in_a_folder_is_removed(tmp_path: Path) -> None:
    for name in ("a", "b.json", "[c]*"):
        killed_while_writing(tmp_path / name)
    remove_left_over(tmp_path, "[c]*")
    assert len(list(tmp_path.iterdir())) == 2
    remove_left_over(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_text_is_kept_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"path": "größe/\udcff"})
    assert read_json(tmp_path / "a.json") == {"path": "größe/\udcff"}
    assert "größe" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"path": "größe/\udcff"}


def test_a_file_system_without_modes_or_flushing_will_do(tmp_path: Path, monkeypatch) -> None:
    def refuse(number: int):
        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        return refuse

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    monkeypatch.setattr(Path, "chmod", refuse(errno.EPERM))
    with replacing(tmp_path / "x.safetensors") as draft:
        save_file({"x": torch.ones(2)}, draft)
    assert (tmp_path / "x.safetensors").exists()
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        write_json(tmp_path / "y.json", 1)
