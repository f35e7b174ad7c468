"""`tina-kit` in this process, which has imported torch already."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """`call("list")`: what `python -m tina_kit list` says in tmp_path, with a store of its own."""
    monkeypatch.setenv("TINA_KIT_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    # Signals stay pytest's.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)

    def call(*words: str | Path) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["tina-kit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("tina_kit", run_name="__main__")
        stdout, stderr = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=stdout, stderr=stderr)

    return call
