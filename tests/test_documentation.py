"""Every code block of the pages is run, as far as that takes seconds, and lists are complete."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

import tina_kit
from tests.documents import (
    COMMANDS,
    CONTRIBUTING,
    CORE,
    FLOW,
    FRONT,
    GUIDE,
    PAGES,
    RECIPES,
    RESULTS,
    ROOT,
    Block,
    Flowchart,
    anchors,
    blocks,
    links,
    quoted,
    rows,
    text_of,
)
from tests.guide import EXAMPLES, rewritten
from tests.lowest_versions import tomllib
from tina_kit.api.component import ENTRY_POINTS, KINDS
from tina_kit.cli.app import invoke
from tina_kit.cli.complete import PLUGIN_KINDS
from tina_kit.pipeline.plan import Plan
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.scaffold.example import EXAMPLES as EXAMPLES_OF_KINDS
from tina_kit.scaffold.examples.make_npz import write as write_colours
from tina_kit.store import Store
from tina_kit.testing import ComponentSuite

FILES = {block.name: block for block in blocks(GUIDE, "python", "yaml") if block.name}
TESTS = [name for name in FILES if name.startswith("test_")]
SUITES = [name for name in TESTS if "Suite" in FILES[name].text]
GUIDE_RECIPES = [name for name in FILES if name.endswith(".yaml")]
LANGUAGES = {  # that something below, or tests/pipeline/test_flow_page.py, reads
    FRONT: {"sh", "python", "mermaid"},
    CONTRIBUTING: {"sh"},
    RECIPES: {"sh", "bash", "yaml"},
    RESULTS: {"sh"},
    GUIDE: {"sh", "python", "yaml", "toml"},
    CORE: {"python", ""},  # "": a tree of folders
    COMMANDS: {"sh", "python"},
    FLOW: {"mermaid"},
}
PLACEHOLDERS = {"RECIPE", "RUN", "RUN:tina", "DIR", "SOURCE", "MODEL", "BUNDLE", "hf:OWNER/shapes"}
SETUP = {"source .venv/bin/activate"}


def known(command: str) -> bool:
    """Whether tina-kit has this command with these options, without doing it."""
    return invoke([*shlex.split(command)[1:], "--help"]) == 0


def python(page: str, space: dict[str, object]) -> None:
    """Run the blocks of a page; tables are printed as they are in a notebook."""
    for block in blocks(page, "python"):
        exec(compile(block.text, str(block), "exec"), space)


# The plugin guide.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the guide's files, with the images that one of them makes."""
    place = tmp_path_factory.mktemp("guide") / "examples"
    shutil.copytree(EXAMPLES, place, ignore=shutil.ignore_patterns("__pycache__"))
    write_colours(place / "colours.npz")
    return place


@pytest.fixture
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's folder as the working directory, with one store for all of its recipes."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TINA_KIT_STORE", str(folder / "store"))
    return folder


class InTheGuidesFolder:
    @pytest.fixture(autouse=True)
    def _there(self, there: Path) -> None:
        pass


def suites() -> Iterator[tuple[str, type[ComponentSuite]]]:
    """The test classes of the guide."""
    for name in SUITES:
        module = import_module(f"tina_kit.scaffold.examples.{name.removesuffix('.py')}")
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                yield thing.__name__, type(thing.__name__, (InTheGuidesFolder, thing), {})


globals().update(suites())


def planned(recipe: Path) -> Plan:
    loaded = load_recipe(recipe, discover())
    return Plan.of(loaded, Store(recipe.parent / "store"), torch.device("cpu"))


def test_there_is_an_example_of_each_kind() -> None:
    made = [suite.kind for _, suite in suites() if suite.plugins]
    assert sorted(made) == sorted(KINDS)
    assert set(EXAMPLES_OF_KINDS) == set(PLUGIN_KINDS)
    assert all(f"{name}.py" in FILES for name in EXAMPLES_OF_KINDS.values())


def test_the_guide_shows_the_files_as_they_are() -> None:
    assert text_of(GUIDE) == rewritten(text_of(GUIDE)), "run python -m tests.guide"
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".yaml")}
    assert there == set(FILES)


def test_the_observer_of_the_guide_keeps_a_diary(there: Path) -> None:
    assert invoke(["run", "diary.yaml"]) == 0
    *_, line = (there / "runs" / "diary" / "diary.txt").read_text().splitlines()
    assert re.search(r" done: .*oracle \d", line)


@pytest.mark.parametrize("name", GUIDE_RECIPES)
def test_a_recipe_of_the_guide_can_be_planned(name: str, there: Path) -> None:
    plan = planned(there / name)
    assert plan.stages
    used = name.removesuffix(".yaml")
    if f"test_{used}.py" in SUITES:
        assert f"local/{used}" in str(plan.recipe.plain())


@pytest.mark.parametrize(
    "command", [command for block in blocks(GUIDE, "sh") for command in block.commands]
)
def test_a_command_of_the_guide_works(command: str, there: Path, capsys) -> None:
    match shlex.split(command):
        case ["tina-kit", *words]:
            assert invoke(words) == 0, capsys.readouterr().err
        case ["pytest", name] if name in SUITES:
            pass  # its class is among the tests here
        case ["pytest" | "python", name]:
            words = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if "test_" in name else []
            done = subprocess.run([sys.executable, *words, name], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        case _:
            pytest.fail(f"nothing here runs {command!r}")


def test_every_file_of_the_guide_has_a_name() -> None:
    assert all(block.name for block in blocks(GUIDE, "python", "yaml"))


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
def test_the_guides_files_are_tidy(there: Path) -> None:
    (there / "ruff.toml").unlink()  # which leads to tina-kit's own rules
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", "--line-length", "100"]
    for words in (["check", "--select", "E,F,I,UP"], ["format", "--check"]):
        done = subprocess.run([*ruff, *words, *rules, "."], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_entry_point_is_of_the_right_group() -> None:
    [block] = blocks(GUIDE, "toml")
    [points] = tomllib.loads(block.text)["project"]["entry-points"].items()
    assert points[0] == ENTRY_POINTS
    assert all(f"{module}.py" in FILES for module in points[1].values())


def test_the_catalogue_has_every_component_once() -> None:
    own = [e.component for e in discover().registered if e.owner == "tina-kit"]
    listed = {row[0]: sorted(quoted(row[2])) for row in rows(GUIDE, "All components")}
    assert list(listed) == list(KINDS)
    assert listed == {k: sorted(c.name for c in own if c.kind == k) for k in KINDS}


# Commands of the other pages.


@pytest.mark.parametrize(
    ("page", "command"),
    [
        (page, command)
        for page in (FRONT, CONTRIBUTING, RECIPES, RESULTS, COMMANDS)
        for block in blocks(page, "sh")
        for command in block.commands
    ],
)
def test_a_command_is_right(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    environment = [words.pop(0) for word in list(words) if re.match(r"[A-Z_]+=", word)]
    match words:
        case ["make", target]:  # installs, and takes minutes
            assert re.search(rf"^{target}: ", (ROOT / "Makefile").read_text(), re.M)
        case [".ci/run"]:  # the same
            assert os.access(ROOT / ".ci" / "run", os.X_OK)
            assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"]).returncode == 0
        case ["tina-kit", "run", recipe, *options] if environment:  # needs data, and takes minutes
            assert known(shlex.join(words)) and invoke(["validate", recipe, *options]) == 0
        case ["tina-kit", "run", *rest, "--dry-run"]:
            assert invoke(["run", *rest, "--dry-run"]) == 0
            assert "evaluate/oracle" in capsys.readouterr().out
        case ["tina-kit", *rest] if "doctor" in rest or PLACEHOLDERS & set(rest):
            assert known(command)  # imports all plugins anew; needs a run
        case ["tina-kit", *rest] if not re.search(r"my_images|<time>", command):
            monkeypatch.chdir(tmp_path)
            assert invoke(rest) == 0, capsys.readouterr().err
        case ["tina-kit", *_]:  # `test_the_way_with_ones_own_images` runs it
            assert page == FRONT or known(command)
        case _:
            assert shlex.join(words) in {shlex.join(shlex.split(line)) for line in SETUP}


def test_a_wrong_option_would_be_seen() -> None:
    assert not known("tina-kit run recipes/quickstart.yaml --sett tasks.id=3")
    assert not known("tina-kit doctors")


def test_the_extra_that_the_front_page_installs_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "pip install -e '.[text,serve]'" in text_of(FRONT) and {"text", "serve"} <= set(
        project["optional-dependencies"]
    )


@pytest.mark.parametrize("block", blocks(RECIPES, "bash"), ids=lambda block: str(block.line))
def test_a_job_script_is_a_script(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    [command] = re.findall(r"^ *(tina-kit .+?)(?: &)?$", block.text, re.M)
    assert known(command)


def test_the_way_with_ones_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The front page's six commands, one after the other, at smoke size; the recipe is the one that
    the page on recipes shows."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "my_images", classes=12, images=40)
    written, *others = [
        command
        for block in blocks(FRONT, "sh")
        for command in block.commands
        if command.startswith("tina-kit")
    ]
    assert len(others) == 5
    assert invoke(shlex.split(written)[1:]) == 0, capsys.readouterr().err
    shown, *_ = blocks(RECIPES, "yaml")
    assert yaml.safe_load((tmp_path / "my_images.yaml").read_text()) == yaml.safe_load(shown.text)
    for command in others:
        words = shlex.split(command)[1:]
        if words[0] == "run":
            words += ["--profile", "smoke"]
        if words[0] == "generate":
            [words[1]] = map(str, (tmp_path / "runs" / "my_images").iterdir())
        assert invoke(words) == 0, capsys.readouterr().err
    assert tina_kit.load("mine.safetensors").classes == ("apple", "pear")


def draw(folder: Path, classes: int, images: int) -> None:
    """Folders of images that are all of one shade, with noise."""
    random = torch.Generator().manual_seed(0)
    names = ["apple", "pear", *(f"fruit {letter}" for letter in "abcdefghijklmnop")][:classes]
    for name in names:
        (folder / name).mkdir(parents=True)
        shade = torch.randint(60, 190, (3,), generator=random)
        for number in range(images):
            noise = torch.randint(-60, 60, (48, 64, 3), generator=random)
            pixels = (shade + noise).byte().numpy()
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def test_what_the_pages_do_in_python_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    Image.new("RGB", (40, 30), "blue").save("photo.png")
    front: dict[str, object] = {}
    python(FRONT, front)
    python(COMMANDS, {})
    assert capsys.readouterr().out.splitlines()[-1] in ("['red circle']", "['blue star']")
    core: dict[str, object] = {}
    python(CORE, core)
    assert core["run"].table.rows == core["again"].table.rows  # type: ignore[attr-defined]
    assert [len(model.classes) for model in core["many"]] == [2, 3]  # type: ignore[attr-defined]
    assert core["same"].classes == core["model"].classes  # type: ignore[attr-defined]


def test_a_generated_p_model_is_for_the_classes_that_the_page_names(
    finished: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is the tiny one of the tests in place of the quickstart's, of the same images."""
    _, store, run = finished
    [command] = [
        c
        for block in blocks(COMMANDS, "sh")
        for c in block.commands
        if "generate RUN --classes" in c
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINA_KIT_STORE", str(store))
    words = [str(run) if word == "RUN" else word for word in shlex.split(command)]
    assert invoke(words[1:]) == 0
    classes = tina_kit.load("mine.safetensors").classes
    assert classes == ("red circle", "blue star", "grey ring")


@pytest.mark.parametrize("block", blocks(RECIPES, "yaml"), ids=str)
def test_a_recipe_is_right_with_each_profile(block: Block, tmp_path: Path) -> None:
    """The page shows one whole recipe; other blocks are keys that can be added to it."""
    whole, *_ = blocks(RECIPES, "yaml")
    (tmp_path / "my_images").mkdir()
    recipe = tmp_path / "my_images.yaml"
    recipe.write_text(whole.text if block == whole else f"{whole.text}\n{block.text}")
    assert tina_kit.validate(recipe) == ["smoke", "laptop", "validation"]


def test_every_recipe_is_listed() -> None:
    listed = [name for row in rows(RECIPES, "The recipes here") for name in quoted(row[0])]
    folder = ROOT / "recipes"
    there = [path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")]
    assert sorted(listed) == sorted(there)


# The core's layout.


def test_the_tree_of_folders_is_there() -> None:
    [block] = blocks(CORE, "")
    lines = block.text.splitlines()
    inner = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(inner) == sorted(
        f"{path.parent.name}/" for path in (ROOT / "tina_kit").glob("*/__init__.py")
    )
    outer = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert len(outer) == 4 and all((ROOT / name).is_dir() for name in outer)


# All pages.


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_run(page: str) -> None:
    assert {block.language for block in blocks(page)} == LANGUAGES.get(page, set())
    assert text_of(page).count("```") == 2 * len(blocks(page))


def test_every_page_is_among_those_that_are_tested() -> None:
    rooms = [ROOT / name for name in ("recipes", "plugins", "tina_kit")]
    found = [*ROOT.glob("*.md"), *(path for room in rooms for path in room.rglob("*.md"))]
    assert sorted(PAGES) == sorted(path.relative_to(ROOT).as_posix() for path in found)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for path, anchor in links(page):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_the_front_page_draws_names_in_and_a_classifier_out() -> None:
    [block] = blocks(FRONT, "mermaid")
    chart = Flowchart.read(block.text)
    ends = {node for arrow in chart.arrows for node in arrow}
    assert ends == set(chart.labels)
    assert ("names", "generator") in chart.arrows and ("generator", "classifier") in chart.arrows


@pytest.mark.parametrize(("page", "limit"), [(FRONT, 150), (CONTRIBUTING, 120)])
def test_a_first_page_is_short(page: str, limit: int) -> None:
    assert len(text_of(page).splitlines()) <= limit
