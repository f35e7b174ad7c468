"""A wheel holds all that running a shipped recipe takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.environment import Environment, copied

ROOT = Path(__file__).parents[1]
RECIPES = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recipes").rglob("*.yaml")}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed"),
]


def build(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [made] = folder.iterdir()
    return made


def unpacked(archive: Path, folder: Path) -> Path:
    """The one folder that a source archive holds."""
    with tarfile.open(archive) as tar:
        # Python has filters since 3.10.12 and 3.11.4.
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    [source] = folder.iterdir()
    return source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source archive, as an index offers it."""
    work = tmp_path_factory.mktemp("built")
    source = unpacked(build(ROOT, "sdist", work / "sdist"), work / "source")
    return build(source, "wheel", work / "wheel")


def test_the_wheel_holds_the_recipes_and_nothing_beside_its_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name for name in names if name.startswith("tina_kit/recipes/")}
    assert shipped == {f"tina_kit/{name}" for name in RECIPES}
    packages = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    [about] = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names} == {"tina_kit", about} | packages
    assert {f"{package}/py.typed" for package in ("tina_kit", *packages)} <= set(names)


def test_an_editable_install_keeps_no_copy_of_the_recipes(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    source = copied(ROOT / "tina_kit", tmp_path / "source" / "tina_kit").parent
    for name in ("pyproject.toml", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "recipes").mkdir()
    (source / "recipes" / "some.yaml").write_text("name: some\n")
    [made] = WheelBuilder(str(source)).build(directory=str(tmp_path), versions=["editable"])
    assert not [name for name in zipfile.ZipFile(made).namelist() if "recipes" in name]


@pytest.mark.timeout(240)
def test_an_installed_wheel_runs_a_shipped_recipe(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "environment", sys.executable)
    work = tmp_path / "work"
    work.mkdir()

    def run(*words: str | Path) -> str:
        done = environment.run(*words, cwd=work)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("pip", "install", wheel)
    listed = json.loads(run("tina-kit", "recipes", "--json"))
    assert {f"recipes/{each['name']}.yaml" for each in listed} == RECIPES
    assert all(Path(each["path"]).is_relative_to(environment.place) for each in listed)
    assert "classifier-selection" in run("tina-kit", "run", "quickstart", "--profile", "smoke")
    assert run("tina-kit", "recipes", "copy", "table3") == "tina-kit run table3.yaml\n"
    assert run("tina-kit", "validate", "table3.yaml").startswith("table3.yaml: valid")
