"""In a fresh environment: install tina-kit, make a plugin, install it, test it, run its recipe."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.environment import Environment

ROOT = Path(__file__).parents[2]
HOLLOW = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tina-kit"
version = "1"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed"),
]


def script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.scaffold.fresh_environment"]
    borrowed = ["--dependencies-of", sys.executable]
    return subprocess.run([*command, *borrowed, *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.timeout(400)
def test_a_new_plugin_of_all_kinds_is_green() -> None:
    done = script()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"all green in \d+ s", done.stdout.splitlines()[-1])


def test_what_is_not_green_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(HOLLOW)
    (tmp_path / "tina_kit").mkdir()
    (tmp_path / "tina_kit" / "__init__.py").write_text("")
    done = script("--checkout", tmp_path)
    assert done.returncode == 1 and "all green" not in done.stdout
    # This environment's own tina-kit and its plugins are not to be seen there.
    assert done.stderr == (
        "FAILED: tina-kit is the installed one: exit code 1\nthere is no plugin\n"
    )


def test_packages_are_borrowed_but_neither_tina_kit_nor_its_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    environment = Environment(tmp_path / "environment", sys.executable)
    seen = "import numpy; from importlib.metadata import entry_points as points; "
    seen += "from importlib.util import find_spec; "
    seen += "print(find_spec('tina_kit'), list(points(group='tina_kit.plugins')))"
    done = environment.run("python", "-c", seen, cwd=tmp_path)
    assert done.stdout == "None []\n", done.stderr
