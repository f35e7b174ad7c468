"""Every code block of CONTRIBUTING.md and README.md is run, as far as that takes seconds."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.documents import PAGES, ROOT, Block, anchors, blocks, links
from tina_kit.api.component import ENTRY_POINTS, KINDS
from tina_kit.cli.app import invoke
from tina_kit.pipeline.plan import Plan
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.store import Store
from tina_kit.testing import PartSuite

GUIDE, FRONT = "CONTRIBUTING.md", "README.md"
LANGUAGES = {"python", "yaml", "sh", "bash", "toml", ""}  # "": a tree of folders
FILES = {block.name: block for block in blocks(GUIDE, "python", "yaml") if block.name}
TESTS = [name for name in FILES if name.startswith("test_")]
RECIPES = [name for name in FILES if name.endswith(".yaml")]
PLACEHOLDER = "<time>-<key>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guide's files lie, with the images that one of them makes."""
    place = tmp_path_factory.mktemp("guide")
    for name, block in FILES.items():
        (place / name).write_text(block.text, encoding="utf-8")
    before = Path.cwd()
    os.chdir(place)
    runpy.run_path("make_npz.py")
    os.chdir(before)
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


def suites() -> Iterator[tuple[str, type[PartSuite]]]:
    """The test classes of the guide."""
    for name in TESTS:
        block = FILES[name]
        space: dict[str, object] = {"__name__": name.removesuffix(".py")}
        exec(compile(block.text, str(block), "exec"), space)
        for thing in space.values():
            if isinstance(thing, type) and thing.__module__ == space["__name__"]:
                yield thing.__name__, type(thing.__name__, (InTheGuidesFolder, thing), {})


globals().update(suites())


def planned(recipe: Path) -> Plan:
    loaded = load_recipe(recipe, discover())
    return Plan.of(loaded, Store(recipe.parent / "store"), torch.device("cpu"))


def known(command: str) -> bool:
    """Whether tina-kit has this command with these options, without doing it."""
    return invoke([*shlex.split(command)[1:], "--help"]) == 0


# The guide.


def test_there_is_one_of_each_kind() -> None:
    made = [suite.kind for _, suite in suites() if suite.plugins]
    assert sorted(made) == sorted(KINDS)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_of_the_guide_can_be_planned(name: str, there: Path) -> None:
    plan = planned(there / name)
    assert plan.stages
    used = name.removesuffix(".yaml")
    if f"{used}.py" in FILES:
        assert f"local/{used}" in str(plan.recipe.plain())


@pytest.mark.parametrize(
    "command", [command for block in blocks(GUIDE, "sh") for command in block.commands]
)
def test_a_command_of_the_guide_works(command: str, there: Path, capsys) -> None:
    match shlex.split(command):
        case ["tina-kit", *words]:
            assert invoke(words) == 0, capsys.readouterr().err
        case ["pytest", name]:
            assert name in TESTS  # whose classes are among the tests here
        case ["python", name]:
            assert name in FILES  # the fixture has run it
        case ["make", target]:  # installs, and runs these tests
            assert re.search(rf"^{target}: ", (ROOT / "Makefile").read_text(), re.M)
        case [script]:  # the same
            assert os.access(ROOT / script, os.X_OK)
            assert subprocess.run(["bash", "-n", ROOT / script]).returncode == 0
        case _:
            pytest.fail(f"nothing here runs {command!r}")


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
def test_the_guides_files_are_tidy(there: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", "--line-length", "100"]
    for words in (["check", "--select", "E,F,I,UP"], ["format", "--check"]):
        done = subprocess.run([*ruff, *words, *rules, "."], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_entry_point_is_of_the_right_group() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    [block] = blocks(GUIDE, "toml")
    [points] = tomllib.loads(block.text)["project"]["entry-points"].items()
    assert points[0] == ENTRY_POINTS
    assert all(f"{module}.py" in FILES for module in points[1].values())


def test_the_tree_of_folders_is_there() -> None:
    [block] = blocks(GUIDE, "")
    lines = block.text.splitlines()
    inner = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(inner) == sorted(
        f"{path.parent.name}/" for path in (ROOT / "tina_kit").glob("*/__init__.py")
    )
    outer = [
        w for line in lines if not line.startswith(" ") for w in re.findall(r"^\w+/|\w+/", line)
    ]
    assert all((ROOT / name).is_dir() for name in outer)


# The front page.


def front_commands() -> list[str]:
    return [command for block in blocks(FRONT, "sh") for command in block.commands]


@pytest.mark.parametrize("command", [c for c in front_commands() if PLACEHOLDER not in c])
def test_a_command_of_the_front_page_is_right(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(command)
    environment = [words.pop(0) for word in list(words) if re.match(r"[A-Z_]+=", word)]
    match words:
        case ["make", target]:  # installs, and takes minutes
            assert re.search(rf"^{target}: ", (ROOT / "Makefile").read_text(), re.M)
        case ["tina-kit", "run", recipe] if environment:  # needs data, and takes minutes
            assert known(shlex.join(words)) and invoke(["validate", recipe]) == 0
        case ["tina-kit", "run", *rest]:  # takes minutes
            assert invoke(["run", *rest, *([] if "--dry-run" in rest else ["--dry-run"])]) == 0
            assert "evaluate/oracle" in capsys.readouterr().out
        case ["tina-kit", "doctor"] | ["tina-kit", "zoo", "export", "RUN", *_]:
            assert known(command)  # imports all plugins anew; needs a run
        case ["tina-kit", *rest]:
            (tmp_path / "my_recipe.yaml").write_text(blocks(FRONT, "yaml")[0].text)
            (tmp_path / "my_images" / "fox").mkdir(parents=True)
            monkeypatch.chdir(tmp_path)
            assert invoke(rest) == 0, capsys.readouterr().err
        case _:
            pytest.fail(f"nothing here runs {command!r}")


def test_the_script_for_a_cluster_is_right(tmp_path: Path) -> None:
    """It passes SIGTERM on, waits for the run to end in order, and queues the job again."""
    [block] = blocks(FRONT, "bash")
    [command] = [line for line in block.text.splitlines() if line.startswith("tina-kit ")]
    assert known(command.rstrip(" &"))
    run = "import signal, time; signal.sigwait([signal.SIGTERM]); time.sleep(0.2); exit({})"
    for code, queued in ((143, ["requeue", "7"]), (1, [])):
        (tmp_path / "run.py").write_text(
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
            f"print('begun', flush=True)\n{run.format(code)}"
        )
        job = f"scontrol() {{ echo $*; }}\n{block.text}".replace(
            command, f"{sys.executable} {tmp_path / 'run.py'} &"
        )
        script = subprocess.Popen(
            ["bash", "-c", job],
            env={**os.environ, "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert script.stdout is not None and script.stdout.readline() == "begun\n"
        script.terminate()
        assert script.communicate()[0].split() == queued


def test_a_wrong_option_on_the_front_page_would_be_seen() -> None:
    assert not known("tina-kit run recipes/quickstart.yaml --sett tasks.id=3")
    assert not known("tina-kit doctors")


def test_what_the_front_page_generates_predicts(
    finished: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is the tiny one of the tests in place of the quickstart's, of the same images."""
    _, store, run = finished
    [command] = [command for command in front_commands() if PLACEHOLDER in command]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINA_KIT_STORE", str(store))
    words = [str(run) if PLACEHOLDER in word else word for word in shlex.split(command)]
    assert invoke(words[1:]) == 0
    Image.new("RGB", (40, 30), "blue").save("photo.png")
    [block] = blocks(FRONT, "python")
    space: dict[str, object] = {}
    exec(compile(block.text, str(block), "exec"), space)
    assert space["model"].predict(["photo.png"])[0] in ("red circle", "blue star", "grey ring")  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", blocks(FRONT, "yaml"), ids=str)
def test_a_recipe_of_the_front_page_is_right(block: Block, tmp_path: Path) -> None:
    (tmp_path / "my_images").mkdir()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(block.text)
    for profile in (None, "smoke"):
        assert load_recipe(recipe, discover(), profile=profile).generators


# All pages.


@pytest.mark.parametrize("page", [GUIDE, FRONT])
def test_every_block_is_of_a_language_that_is_run(page: str) -> None:
    assert not [str(block) for block in blocks(page) if block.language not in LANGUAGES]
    assert (ROOT / page).read_text().count("```") == 2 * len(blocks(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"
