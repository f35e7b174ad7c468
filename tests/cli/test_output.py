"""All commands that write a file follow one rule: links are followed, streams written into."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tina_kit
from tina_kit.cli.app import invoke


@pytest.fixture
def lines(finished: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch):
    """The commands that write one file, and a name that each takes."""
    monkeypatch.setenv("TINA_KIT_STORE", str(finished[1]))
    return {
        "schema": (["schema"], "x.json"),
        "generate": (["generate", str(finished[2]), "--classes", "a, b"], "x.safetensors"),
    }


@pytest.fixture(params=["schema", "generate"])
def command(request: pytest.FixtureRequest, lines):
    return lines[request.param]


def test_links_are_followed(command, tmp_path: Path) -> None:
    words, name = command
    (tmp_path / "real").mkdir()
    (tmp_path / name).symlink_to(f"real/{name}")
    for _ in range(2):  # absent at first
        assert invoke([*words, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "real" / name).stat().st_size > 1000
    assert [p.name for p in (tmp_path / "real").iterdir()] == [name]


def test_a_missing_folder_and_a_folder_are_refused(capsys, command, tmp_path: Path) -> None:
    words, name = command
    assert invoke([*words, "-o", str(tmp_path / "none" / name)]) == 2
    assert f"there is no folder {tmp_path}/none" in capsys.readouterr().err
    (tmp_path / name).mkdir()
    assert invoke([*words, "-o", str(tmp_path / name)]) == 2
    assert "this is a folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_fifo_is_written_into_whatever_its_name(command, tmp_path: Path) -> None:
    words, _ = command
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    assert invoke([*words, "-o", str(fifo)]) == 0
    reader.join()
    assert len(read[0]) > 1000
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_stays_one(command, tmp_path: Path) -> None:
    words, _ = command
    link = tmp_path / "null"
    link.symlink_to("/dev/null")  # whatever replaces the device would replace this link instead
    assert invoke([*words, "-o", str(link)]) == 0
    assert link.is_symlink()
    assert stat.S_ISCHR(link.stat().st_mode)


def test_standard_output_is_written_to(command, tmp_path: Path) -> None:
    words, name = command
    code = "import sys; from tina_kit.cli import main; main(sys.argv[1:])"
    link = tmp_path / "stdout"
    link.symlink_to("/dev/stdout")
    line = [sys.executable, "-c", code, *words, "-o", str(link)]
    done = subprocess.run(line, capture_output=True, check=True)
    assert link.is_symlink()
    (tmp_path / name).write_bytes(done.stdout)
    if name.endswith(".json"):
        assert json.loads(done.stdout)["title"] == "a tina-kit recipe"
    else:
        assert tina_kit.load(tmp_path / name).classes == ("a", "b")


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_zoo_goes_through_links_and_into_no_missing_folder(
    capsys, finished, tmp_path: Path, monkeypatch, command: str
) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(finished[1]))
    source = str(finished[2])
    if command == "import":
        source = str(tmp_path / "source")
        assert invoke(["zoo", "export", str(finished[2]), "-o", source]) == 0
    words = ["zoo", command, source, "-o"]
    assert invoke([*words, str(tmp_path / "none" / "zoo")]) == 2
    assert f"there is no folder {tmp_path}/none" in capsys.readouterr().err
    for name, there in (("a", False), ("b", True)):
        (tmp_path / f"link-{name}").symlink_to(name)
        if there:
            (tmp_path / name).mkdir()
        assert invoke([*words, str(tmp_path / f"link-{name}")]) == 0
        assert (tmp_path / f"link-{name}").is_symlink()
        assert (tmp_path / name / "zoo.json").is_file()
    (tmp_path / "null").symlink_to("/dev/null")
    assert invoke([*words, str(tmp_path / "null")]) == 2
    assert "this is a file" in capsys.readouterr().err


def test_a_new_plugin_goes_into_no_missing_folder(capsys, tmp_path: Path) -> None:
    line = ["plugin", "new", "mine-new", "--kind", "study", "--output"]
    assert invoke([*line, str(tmp_path / "none")]) == 2
    assert f"there is no folder {tmp_path}/none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
