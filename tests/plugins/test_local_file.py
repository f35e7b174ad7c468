"""A local file is a plugin like any other, behind the same guard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.plugins.installed import AT_ONCE, COMMAND, MORE_AT_ONCE, PART
from tests.plugins.test_broken import PRINTS
from tina_kit.cli.app import invoke
from tina_kit.plugins import Registry
from tina_kit.plugins.discovery import load_file

BROKEN = {**AT_ONCE, **MORE_AT_ONCE}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    code, _, reason, line = BROKEN[name]
    file = tmp_path / "mine.py"
    file.write_text("print('hello')\n" + code)
    assert invoke(["list", "--plugin", str(file)]) == 2
    out, error = capfd.readouterr()
    told = f"running code from {file} (named by --plugin)\nerror: --plugin {file}: local plugin "
    assert error.startswith(f"{told}mine.py was skipped because it")
    assert out == "" and len(error.splitlines()) == 2 and reason in error
    assert line is None or f"({file}:{line + 1})" in error
    assert not [module for module in sys.modules if str(tmp_path) in module]


def test_a_recipe_s_broken_file_is_told_with_its_place(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text("import sys\nprint('hello')\nsys.exit(3)")
    text = recipe.read_text()
    recipe.write_text(text + "plugins: [mine.py]\n")
    assert invoke(["validate", str(recipe)]) == 2
    out, error = capfd.readouterr()
    place = f"{recipe}:{len(text.splitlines()) + 1}:11: plugins: local plugin mine.py was skipped"
    assert out == "" and place in error
    assert f"SystemExit: 3 ({tmp_path / 'mine.py'}:3)" in error


def test_what_a_file_prints_is_not_seen(
    recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(PRINTS + PART)
    recipe.write_text(recipe.read_text() + "plugins: [mine.py]\n")
    assert invoke(["validate", str(recipe)]) == 0
    out, error = capfd.readouterr()
    assert out == f"{recipe}: valid\n"
    assert error.startswith("running code from ") and len(error.splitlines()) == 1


def test_a_file_is_imported_once_for_a_registry(tmp_path: Path) -> None:
    witness = tmp_path / "imports"
    file = tmp_path / "mine.py"
    for code in (PART, "from tina_kit.api import hookimpl\n" + COMMAND):
        file.write_text(f"open({str(witness)!r}, 'a').write('x')\n" + code)
        registry = Registry()
        assert load_file(registry, file) is None and load_file(registry, file) is None
    assert witness.read_text() == "xx"


def test_files_of_like_names_are_told_apart(tmp_path: Path) -> None:
    registry = Registry()
    for folder, name in (("a-b", "dots"), ("a_b", "stripes")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(PART.replace('"dots"', f'"{name}"'))
        assert load_file(registry, tmp_path / folder / "mine.py") is None
    dots, stripes = (registry.get("dataset", name) for name in ("dots", "stripes"))
    assert dots.component.target != stripes.component.target
    assert dots.origin == str(tmp_path / "a-b" / "mine.py")


def test_a_failed_file_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    (tmp_path / "mine.py").write_text(PART + "raise RuntimeError")
    assert load_file(Registry(), tmp_path / "mine.py") is not None
    assert not [name for name in set(sys.modules) - before if "mine" in name]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text(PART)
    assert "it is not a Python file" in str(load_file(Registry(), file))
    (tmp_path / "mine.py").mkdir()
    assert "IsADirectoryError" in str(load_file(Registry(), tmp_path / "mine.py"))
