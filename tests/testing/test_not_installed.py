"""Tests of a plugin package that is not installed say so once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tina_kit.testing.base import not_installed

PROJECT = """\
[project]
name = "stranger"
[project.entry-points."tina_kit.plugins"]
stranger = "stranger"
"""
TESTS = """\
from tina_kit.testing import DatasetSuite, TokenizerSuite


class TestImages(DatasetSuite):
    use = {"use": "strange-images"}


class TestTokens(TokenizerSuite):
    use = {"use": "strange-tokens"}
"""


def checked(folder: Path) -> list[str]:
    """The lines that pytest prints for the tests of a package."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_strange.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    return done.stdout.splitlines()


def test_one_failure_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    lines = checked(tmp_path)
    told = f"the plugin in {tmp_path} is not installed: run pip install -e . there"
    assert [line for line in lines if line.endswith(told) and not line.startswith("ERROR")] == [
        told
    ]
    assert "1 error" in lines[-1] and "skipped" in lines[-1] and "failed" not in lines[-1]


@pytest.mark.parametrize("project", [None, '[project]\nname = "other"\n'])
def test_elsewhere_a_name_is_simply_unknown(project: str | None, tmp_path: Path) -> None:
    if project:
        (tmp_path / "pyproject.toml").write_text(project)
    assert not_installed("dataset", "strange-images", tmp_path / "test_strange.py") is None


def test_what_is_installed_is_found_under_both_names(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    for name in ("shapes", "tina-kit/shapes"):
        assert not_installed("dataset", name, tmp_path / "test_strange.py") is None
