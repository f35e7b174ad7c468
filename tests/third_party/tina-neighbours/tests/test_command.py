"""`tina-kit parquet` shows what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pictures import table, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "pictures.parquet", table(each=3))


def test_columns_are_shown_with_their_types(call: Any, file: Path) -> None:
    lines = call("parquet", file).stdout.splitlines()
    assert lines[1:] == ["label  int64", "split  string"]
    assert lines[0].startswith("image  struct<bytes: binary")


def test_values_of_a_column_are_counted(call: Any, file: Path) -> None:
    assert call("parquet", file, "--count", "split").stdout.split() == ["20", "test", "40", "train"]


def test_a_mistake_is_one_message(call: Any, file: Path, tmp_path: Path) -> None:
    mistake = call("parquet", file, "--count", "splitt")
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert "no column 'splitt' (did you mean split?" in mistake.stderr
    assert "there is no such Parquet file" in call("parquet", tmp_path / "none.parquet").stderr
