"""What is written is right and tidy, and passes its own tests; test_fresh_environment.py installs
it, too."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tina_kit.api import UserError
from tina_kit.api.component import KINDS
from tina_kit.cli.app import invoke
from tina_kit.cli.complete import PLUGIN_KINDS
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.scaffold import write_plugin
from tina_kit.testing.base import registry_with

ROOT = Path(__file__).parents[2]
# A process imports a module once, so each test has a plugin with a name of its own.
ALL = ("all-kinds-scaffolded", *PLUGIN_KINDS)
MYPY = """\
[mypy]
strict = true
plugins = pydantic.mypy
explicit_package_bases = true
mypy_path = {root}
[mypy-torch.*,numpy.*,safetensors.*]
follow_imports = skip
[mypy-tina_kit.*]
ignore_errors = true
"""  # the types of torch alone would take a minute, and the bodies of tina-kit's functions seconds


def on_the_path(folder: Path) -> Path:
    """As if it were installed: a folder for the path, with the metadata that pip would write."""
    source = folder / "src"
    pyproject = (folder / "pyproject.toml").read_text()
    name, version = (
        re.search(rf'^{key} = "(.*)"', pyproject, re.M)[1] for key in ("name", "version")
    )  # type: ignore[index]
    [point] = re.findall(r'^\[project\.entry-points\."tina_kit\.plugins"\]\n(.*)$', pyproject, re.M)
    info = source / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    entry = point.replace('"', "")
    (info / "entry_points.txt").write_text(f"[tina_kit.plugins]\n{entry}\n")
    return source


def call(folder: Path, source: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", *words],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_one_kind_is_listed_and_its_recipe_is_right(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"new-{kind}-scaffolded"
    folder = write_plugin(name, [kind], tmp_path)
    monkeypatch.syspath_prepend(on_the_path(folder))
    registry = discover()
    assert not registry.failures
    entry = registry.get(kind, f"my-{kind}")
    assert entry.full_name == f"{name}/my-{kind}" and entry.component.api == 1
    assert entry.component.target.split(":") == [
        f"{name}.{kind}".replace("-", "_"),
        "My" + kind.title().replace("-", ""),
    ]
    recipe = folder / "recipes" / f"{name}.yaml"
    for profile in (None, "smoke"):
        plain = load_recipe(recipe, registry, profile=profile).plain()
        assert f"{name}/my-{kind}" in str(plain)
    assert not {path.name for path in (folder / "tests").iterdir()} - {
        f"test_{kind.replace('-', '_')}.py",
        "test_recipe.py",
    }


@pytest.fixture
def own_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path, str], int]]:
    """Runs a test file of a plugin in this process and returns pytest's exit code."""
    switched_off = ("cacheprovider", "xdist", "timeout")
    words = [word for name in switched_off for word in ("-p", f"no:{name}")]

    def run(folder: Path, name: str) -> int:
        monkeypatch.syspath_prepend(on_the_path(folder))
        monkeypatch.chdir(folder)
        registry_with.cache_clear()  # what was installed before
        return pytest.main(["-q", *words, f"tests/{name}"])

    yield run
    registry_with.cache_clear()


# Those of all kinds run in a fresh environment (test_fresh_environment.py).
@pytest.mark.parametrize("kind", ["tokenizer", "command"])
def test_a_plugin_of_one_kind_passes_its_own_tests(
    kind: str, tmp_path: Path, own_tests, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_plugin(f"tested-{kind}-scaffolded", [kind], tmp_path)
    code = own_tests(folder, f"test_{kind.replace('-', '_')}.py")
    printed = capfd.readouterr().out
    assert code == 0 and " passed" in printed, printed


def test_its_tests_fail_when_an_example_is_spoilt(
    tmp_path: Path, own_tests, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_plugin("spoilt-scaffolded", ["tokenizer"], tmp_path)
    file = folder / "src" / "spoilt_scaffolded" / "tokenizer.py"
    whole = file.read_text()
    file.write_text(whole.replace("start + self.size", "start + self.size - 1"))
    assert file.read_text() != whole
    assert own_tests(folder, "test_tokenizer.py") == 1
    assert " failed" in capfd.readouterr().out


def test_a_plugin_is_tidy(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    folder = write_plugin(ALL[0], ALL[1:], tmp_path)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert {"pyproject.toml", "README.md", ".gitignore", ".github/workflows/test.yml"} <= set(names)
    for name in filter(lambda name: not name.endswith(".npz"), names):
        text = (folder / name).read_text(encoding="utf-8")
        assert "my-plugin" not in text and "my_plugin" not in text
        assert "<kinds>" not in text and "<version>" not in text
    for path in (folder / "src").rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (tina_\w+(?:\.\w+)*)", path.read_text(), re.M)
        assert set(imported) <= {"tina_kit.api"}
    if find_spec("ruff"):
        for words in (["check", "."], ["format", "--check", "."]):
            done = call(folder, folder, "ruff", *words)
            assert done.returncode == 0, done.stdout
    if find_spec("mypy"):
        (tmp_path / "mypy.ini").write_text(MYPY.format(root=ROOT))
        # What mypy has found out about torch lasts from one run of the tests to the next.
        cache = getattr(pytestconfig, "cache", None)
        found = cache.mkdir("mypy") if cache else tmp_path / "mypy"
        words = ["--config-file", "../../mypy.ini", "--cache-dir", str(found), "."]
        done = call(folder / "src", folder / "src", "mypy", *words)
        assert done.returncode == 0, done.stdout


def test_the_command_writes_a_folder_and_says_what_comes_next(tmp_path: Path, capsys) -> None:
    words = ["plugin", "new", "mine-scaffolded", "--kind", "generators", "--kind", "dataset"]
    assert invoke([*words, "--output", str(tmp_path)]) == 0
    assert "pip install -e" in capsys.readouterr().out
    assert (tmp_path / "mine-scaffolded" / "src" / "mine_scaffolded" / "dataset.py").is_file()
    assert invoke([*words, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("exists; choose another name or --output\n")


@pytest.mark.parametrize(
    "name",
    ["My_Plugin", "a b", "-x", "x-", "1st", "class", "json", "torch", "../x", "", "tina-kit"],
)
def test_a_bad_name_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a plugin name"):
        write_plugin(name, ["generator"], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mask", [0o002, 0o077])
def test_the_folder_follows_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        folder = write_plugin("mine", ["dataset"], tmp_path)
    finally:
        os.umask(before)
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o777 & ~mask}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_plugin("mine-scaffolded", ["generator"], tmp_path / "file")
