"""What tests of several commands need."""

from __future__ import annotations

from pathlib import Path

import pytest

import tina_kit


@pytest.fixture(scope="session")
def model(finished: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a p-Model of the finished run."""
    path = tmp_path_factory.mktemp("model") / "mine.safetensors"
    run = tina_kit.open_run(finished[2])
    run.generator("tina-dit").generate(["red circle", "blue star", "grey ring"]).save(path)
    return path
