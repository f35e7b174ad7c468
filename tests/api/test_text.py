"""Lists and tables that somebody wrote, on whatever system."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from tina_kit.api import UserError, read_text


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_marks_and_line_ends_make_no_difference(tmp_path: Path, mark: bytes, end: bytes) -> None:
    (tmp_path / "t").write_bytes(
        mark + end.join(["fig", "caf\u00e9\u2028x", ""][n].encode() for n in range(3))
    )
    assert read_text(tmp_path / "t") == "fig\ncaf\u00e9\u2028x\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("fig".encode("utf-16"), "it is UTF-16"),
        (codecs.BOM_UTF16_BE + "fig".encode("utf-16-be"), "it is UTF-16"),
        ("fig".encode("utf-16-le"), "it contains zero bytes"),
        ("café".encode("latin1"), "can't decode byte 0xe9"),
    ],
)
def test_another_encoding_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(
        UserError, match=rf"t\.tsv: not UTF-8 text \(.*{reason}.*\)\. Save it as UTF"
    ):
        read_text(tmp_path / "t.tsv")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path, told in {
        tmp_path / "none.tsv": "there is no such file",
        tmp_path: "a folder",
    }.items():
        with pytest.raises(UserError, match=told):
            read_text(path)


def test_a_pipe_is_not_waited_for_and_a_limit_is_kept(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="it is a named pipe"):
        read_text(tmp_path / "pipe")
    (tmp_path / "t").write_bytes(b"x" * (1 << 20))
    assert len(read_text(tmp_path / "t", 1 << 20)) == 1 << 20
    with pytest.raises(UserError, match="larger than 1,048,575 bytes"):
        read_text(tmp_path / "t", (1 << 20) - 1)
