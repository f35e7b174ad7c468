"""Which versions `python -m tests.lowest_versions` tries; that they work is shown by running it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.environment import Environment
from tests.lowest_versions import HEAVY, ROOT, Failed, lowest, tomllib


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def test_every_light_dependency_is_tried_at_its_bound() -> None:
    pins = lowest(project())
    extras = project()["optional-dependencies"]
    texts = [*project()["dependencies"], *extras["export"], *extras["serve"], *extras["search"]]
    light = {Requirement(text).name for text in texts} - {*HEAVY, "open_clip_torch"}
    assert pins.keys() == light
    assert pins["typer"] == "0.18" and pins["pydantic"] == "2.10"


def test_every_heavy_package_is_a_dependency() -> None:
    texts = [*project()["dependencies"], *project()["optional-dependencies"]["text"]]
    assert {canonicalize_name(Requirement(text).name) for text in texts} >= HEAVY


def test_extras_are_tried_too_but_for_the_tools() -> None:
    pins = lowest(
        {
            "dependencies": ["a>=1,<3", "torch"],
            "optional-dependencies": {
                "more": ["B_c>=2.5", "tina-kit[text]", "timm", 'd>=1; python_version < "3"'],
                "dev": ["e>=1"],
            },
        }
    )
    assert pins == {"a": "1", "b-c": "2.5"}


@pytest.mark.parametrize("text", ["a", "a<3", "a!=1.5"])
def test_a_dependency_without_a_bound_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="say the lowest version that works, a>="):
        lowest({"dependencies": [text]})


def test_what_is_installed_is_not_borrowed(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", pip=False)
    [site] = environment.place.glob("lib/python*/site-packages")
    (site / "numpy").mkdir()
    (site / "numpy" / "__init__.py").write_text("__version__ = 'own'\n")
    (site / "numpy-1.0.dist-info").mkdir()
    (site / "numpy-1.0.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    environment.borrow(sys.executable)
    code = "from importlib.metadata import distributions as d; import numpy, yaml; "
    code += "print(numpy.__version__, [x.version for x in d() if x.name == 'numpy'])"
    done = environment.run("python", "-c", code, cwd=tmp_path)
    assert done.stdout == "own ['1.0']\n", done.stderr
