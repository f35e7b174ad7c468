"""A plugin by somebody else, a distribution of its own, does all that tina-kit's own parts do."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.environment import Environment
from tests.test_structure import imports
from tina_kit.recipe.yaml12 import parse

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "third_party" / "tina-neighbours"
RECIPE = SOURCE / "recipes" / "neighbours.yaml"
FILES = sorted(SOURCE.rglob("*.py"))
KIT = {"tina_kit.api", "tina_kit.testing"}
OTHERS = {"PIL", "pictures", "pyarrow", "pydantic", "pytest", "safetensors", "tina_neighbours"}
OTHERS |= {"torch", "typer"}
PARTS = {("generator", "nearest-average"), ("dataset", "parquet")}
OWNER = "tina-neighbours"

needs = [name for name in ("hatchling", "pyarrow") if find_spec(name) is None]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
installs = pytest.mark.skipif(bool(needs), reason=f"{', '.join(needs)} not installed")


class Site:
    """An environment with tina-kit and the plugin, and a checkout of the plugin that tests may
    write to."""

    def __init__(self, folder: Path) -> None:
        without = shutil.ignore_patterns("__pycache__", "*.parquet", "runs")
        self.checkout = shutil.copytree(SOURCE, folder / "checkout", ignore=without)
        self.environment = Environment(folder / "environment", sys.executable)
        for each in (ROOT, self.checkout):
            self("pip", "install", each)

    def __call__(self, *words: str | Path) -> str:
        """What a command prints, started in the checkout. Fails where it fails."""
        done = self.environment.run(*words, cwd=self.checkout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("third-party"))


def foreign(path: Path) -> set[str]:
    """What a file imports that a plugin must not: of the kit, all but its two public rooms."""
    allowed = {*OTHERS, *sys.stdlib_module_names}
    return {m for m in imports(path) if m not in KIT and m.split(".")[0] not in allowed}


def test_it_imports_nothing_of_the_kit_but_the_api_and_the_suites() -> None:
    assert {path.name: foreign(path) for path in FILES} == {path.name: set() for path in FILES}
    used = {module for path in FILES for module in imports(path)}
    assert used >= KIT


@pytest.mark.parametrize(
    "line",
    [
        "from tina_kit import store",
        "import tina_kit.zoo",
        "from tina_kit.api.errors import UserError",
        "def late():\n    from tina_datasets.files import decode",
    ],
)
def test_another_import_of_the_kit_would_be_noticed(line: str, tmp_path: Path) -> None:
    path = tmp_path / "part.py"
    path.write_text(line)
    assert foreign(path)


@installs
def test_the_kit_knows_it_with_its_owner(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINA_KIT_DISABLE_PLUGINS", "all")  # in the shell of whoever runs this
    listed = json.loads(site("tina-kit", "list", "--strict-plugins", "--json"))
    found = {(row["kind"], row["name"]): row for row in listed if row["owner"] == OWNER}
    assert found.keys() == PARTS
    assert {row["origin"] for row in found.values()} == {"tina-neighbours 1.2.0"}
    assert not any(row["missing"] for row in found.values())
    for kind, name in PARTS:
        told = json.loads(site("tina-kit", "show", kind, name, "--json"))
        assert told["full_name"] == f"{OWNER}/{name}"
        assert "site-packages/tina_neighbours" in told["file"]
        assert told["file"].startswith(str(site.environment.place))
        assert all(option["description"] for option in told["options"])


@installs
def test_the_schema_of_recipes_holds_its_options(site: Site) -> None:
    recipe = parse(RECIPE.read_text(), str(RECIPE), RECIPE.parent).plain()
    schema = Draft202012Validator(json.loads(site("tina-kit", "schema")))
    assert schema.is_valid(recipe)
    for key, name, wrong in [("dataset", "file", 3), ("dataset", "labels", "label")]:
        assert not schema.is_valid({**recipe, key: {**recipe[key], name: wrong}})
    assert not schema.is_valid({**recipe, "generators": [{"use": "nearest-average", "k": 0}]})


@installs
def test_its_command_is_one_of_tina_kit_s(site: Site) -> None:
    assert "Show the columns of a Parquet file" in site("tina-kit", "--help")
    site("python", "tests/pictures.py", "pictures.parquet")
    assert "split  string" in site("tina-kit", "parquet", "pictures.parquet")


@installs
def test_the_doctor_finds_it_well(site: Site) -> None:
    told = json.loads(site("tina-kit", "doctor", "--json"))
    [plugins] = [row for row in told["findings"] if row["topic"] == "plugins"]
    assert plugins["state"] == "ok" and "tina-neighbours 1.2.0" in plugins["text"]
    assert not told["plugins"]


@installs
def test_its_own_tests_pass(site: Site) -> None:
    told = site("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rp")
    passed = set(re.findall(r"^PASSED tests/(\w+\.py)::", told, re.MULTILINE))
    assert passed == {path.name for path in SOURCE.glob("tests/test_*.py")}
