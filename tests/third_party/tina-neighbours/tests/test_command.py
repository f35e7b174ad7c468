"""`tina-kit parquet` shows what a file holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pictures import table, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "pictures.parquet", table(each=3))


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tina_kit", "parquet", *words]
    return subprocess.run(command, capture_output=True, text=True)


def test_columns_are_shown_with_their_types(file: Path) -> None:
    lines = call(file).stdout.splitlines()
    assert lines[1:] == ["label  int64", "split  string"]
    assert lines[0].startswith("image  struct<bytes: binary")


def test_values_of_a_column_are_counted(file: Path) -> None:
    assert call(file, "--count", "split").stdout.split() == ["20", "test", "40", "train"]


def test_a_mistake_is_one_message(file: Path, tmp_path: Path) -> None:
    mistake = call(file, "--count", "splitt")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert "no column 'splitt' (did you mean split?" in mistake.stderr
    assert "there is no such Parquet file" in call(tmp_path / "none.parquet").stderr
