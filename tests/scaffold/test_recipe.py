"""From a folder of images to a recipe that fits it, runs, and says how long it takes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import plan_of
from tina_kit.api import UserError
from tina_kit.pipeline import estimate
from tina_kit.pipeline.estimate import Cost
from tina_kit.pipeline.run import Run
from tina_kit.plugins import discover
from tina_kit.recipe import load_recipe
from tina_kit.recipe.load import profile_names
from tina_kit.scaffold import recipe as module
from tina_kit.scaffold.recipe import Written, write_recipe

ANIMALS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx")
WORDS = ["conditioner={use: hashed-ngrams}"]  # a model of sentences takes seconds to load


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "ENOUGH", 0.02)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not hang on how long a run takes."""
    monkeypatch.setattr(module, "estimate", lambda plan: [Cost("images", 1.0)])


def fill(
    root: Path, names: Sequence[str] = ANIMALS, count: int = 10, size: tuple[int, int] = (48, 40)
) -> Path:
    """A colour for each class, and noise."""
    random = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True)
        colour = random.integers(0, 200, 3)
        for index in range(count):
            pixels = colour + random.integers(0, 55, (*size[::-1], 3))
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def write() -> Callable[..., Written]:
    """Writes a recipe; what it says goes into `said`."""

    def run(images: str | None, *sets: str, **options: object) -> Written:
        run.said = []  # type: ignore[attr-defined]
        given = None if images is None else Path(images)
        return write_recipe(
            given,
            discover(),
            sets=[*WORDS, *sets],
            say=run.said.append,  # type: ignore[attr-defined]
            **options,  # type: ignore[arg-type]
        )

    return run


def test_twelve_classes_give_a_recipe_that_runs(write, tmp_path: Path) -> None:
    fill(tmp_path / "my images")
    written = write("my images")
    assert written.path == Path("my_images.yaml")
    registry = discover()
    assert profile_names(written.path) == ["smoke", "laptop", "validation"]
    for profile in (None, *profile_names(written.path)):
        load_recipe(written.path, registry, profile=profile)
    options = load_recipe(written.path, registry).tasks.options
    assert (options.classes, options.id, options.ood) == (6, 370, 90)  # type: ignore[attr-defined]

    start = time.monotonic()
    plan = plan_of(written.path, tmp_path / "store", profile="smoke")
    assert plan.experiments[0].images.cached  # what was looked at is not read again
    results = Run.start(plan, tmp_path / "runs").execute()
    assert time.monotonic() - start < 60
    assert {"tina-dit", "oracle", "class-means"} < {row["generator"] for row in results.rows}


def test_it_says_what_it_found_and_what_a_run_takes(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo")
    written = write("zoo")
    found = "12 classes, 96 training images (8 a class), 24 test images (2 a class), 48 × 40 pixels"
    assert found in write.said
    text = written.path.read_text(encoding="utf-8")
    comment = " ".join(line.strip("# ") for line in text.splitlines() if line.startswith("#"))
    assert found in comment
    assert re.search(r"A run takes about \d[\d.]* (s|min) on this machine \(\d+ CPU core", comment)
    assert re.search(r"zoo +\d[\d.]* (s|min) +460 p-Models of \d", comment)
    assert "fit/tina-dit" in comment and "600 steps of" in comment
    assert "924 sets" in comment and "tina-kit run zoo.yaml --profile smoke" in comment
    assert all(len(line) <= 100 for line in text.splitlines())
    assert [cost.name for cost in written.costs][:2] == ["images", "conditions"]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("count", [4, 7])
def test_few_classes_run_as_well(count: int, write, tmp_path: Path) -> None:
    fill(tmp_path / "few", ANIMALS[:count], 7)
    path = write("few", "generators.tina-dit.steps=20", "generators.tina-dit.hidden_size=32").path
    for profile in ("laptop", "validation"):
        sets = ["generic.epochs=1", "finetune.epochs=1"]
        plan = plan_of(path, tmp_path / "store", profile=profile, sets=sets)
        results = Run.start(plan, tmp_path / "runs").execute()
        assert any(row["generator"] == "oracle" for row in results.rows)


@pytest.mark.usefixtures("unmeasured")
def test_without_a_folder_images_are_drawn(write) -> None:
    written = write(None, "dataset.train=10", "dataset.test=5")
    assert written.path == Path("shapes.yaml")
    plain = load_recipe(written.path, discover()).plain()
    assert plain["dataset"]["use"] == "tina-kit/shapes" and plain["dataset"]["train"] == 10
    assert plain["tasks"]["classes"] == 10


@pytest.mark.usefixtures("unmeasured")
def test_what_is_set_counts_before_the_images_are_read(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo", ANIMALS[:8])
    table = tmp_path / "names.tsv"
    table.write_text("".join(f"{name}\tbig {name}\n" for name in ANIMALS[:8]))
    sets = ["dataset.test_fraction=0.5", "dataset.size=16", "dataset.names=names.tsv"]
    written = write("zoo", *sets, "tasks.id=5", output=tmp_path / "set.yaml")
    assert written.findings.train == [5] * 8 and written.findings.size == (16, 16)
    assert written.findings.classes[0] == "big ant"
    recipe = load_recipe(written.path, discover())
    assert recipe.plain()["tasks"]["id"] == 5 and recipe.core.name == "set"
    assert recipe.dataset.options.size == 16  # type: ignore[attr-defined]
    assert "root: zoo" in written.path.read_text()
    assert "names: names.tsv" in written.path.read_text()


@pytest.mark.usefixtures("unmeasured")
def test_paths_are_relative_to_the_recipe_where_they_were_given_so(write, tmp_path: Path) -> None:
    fill(tmp_path / "data" / "zoo", ANIMALS[:4])
    (tmp_path / "recipes").mkdir()
    relative = write("data/zoo", output=Path("recipes/mine.yaml"))
    absolute = write(str(tmp_path / "data" / "zoo"), output=Path("mine.yaml"))
    assert "root: ../data/zoo" in relative.path.read_text()
    assert f"root: {tmp_path}/data/zoo" in absolute.path.read_text()
    for each in (relative, absolute):
        options = load_recipe(each.path, discover()).dataset.options
        assert options.root == tmp_path / "data" / "zoo"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("unmeasured")
def test_small_images_are_not_enlarged(write, tmp_path: Path) -> None:
    fill(tmp_path / "small", ANIMALS[:4], size=(20, 28))
    assert write("small").findings.size == (20, 20)
    fill(tmp_path / "large", ANIMALS[:4])
    assert write("large").findings.size == (32, 32)


@pytest.mark.usefixtures("unmeasured")
def test_what_makes_results_worse_is_noted(write, tmp_path: Path) -> None:
    fill(tmp_path / "odd", ["n01440764", "n01440765", "n01440766"], 10)
    fill(tmp_path / "odd", ["whale"], 60)
    text = write("odd").path.read_text()
    notes = [
        line for line in write.said if line.startswith("note: ") and "other programs" not in line
    ]
    assert [note.split(",")[0][:40] for note in notes] == [
        "note: 3 of 4 classes have fewer than 20 ",
        "note: classes differ in size",
        "note: class names are the prompts",
    ]
    assert "whale" not in notes[0] and "n01440764 (8)" in notes[0]
    assert "average: classes" in text


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("folder", "name"),
    [("My photos (2)", "My_photos_2"), ("été", "été"), ("-", "mine"), ("..x", "x")],
)
def test_a_recipe_is_named_after_any_folder(folder: str, name: str, write, tmp_path: Path) -> None:
    fill(tmp_path / folder, ANIMALS[:4], 5)
    written = write(f"./{folder}")
    assert written.path == Path(f"{name}.yaml")
    assert load_recipe(written.path, discover()).core.name == name


def test_nothing_is_replaced_and_nothing_looked_at_in_vain(write, tmp_path: Path) -> None:
    (tmp_path / "zoo.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"zoo\.yaml: this file exists; remove it, or"):
        write("zoo")
    with pytest.raises(UserError, match="this is a folder; name a new file in it"):
        write("zoo", output=tmp_path)
    with pytest.raises(UserError, match="there is no folder none"):
        write("zoo", output=Path("none/zoo.yaml"))
    assert write.said == [] and (tmp_path / "zoo.yaml").read_text() == "mine"


def test_what_a_data_set_refuses_is_told_and_nothing_is_written(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo", ANIMALS[:4], 5)
    (tmp_path / "zoo" / "ant" / "1.png").write_text("a page")
    with pytest.raises(UserError, match=r"ant/1\.png.*\n.*--set dataset\.OPTION=VALUE"):
        write("zoo")
    with pytest.raises(UserError, match=r"dataset\.root: there is no .*; did you mean 'zoo'"):
        write("zooo")
    fill(tmp_path / "two", ANIMALS[:2], 5)
    with pytest.raises(UserError, match="2 classes are too few"):
        write("two")
    assert not list(tmp_path.glob("*.yaml"))


def test_a_mistake_in_what_is_set_is_told_where_it_was_written(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo", ANIMALS[:4], 5)
    with pytest.raises(UserError, match=r"--set tasks\.clases=3: tasks\.clases: unknown option"):
        write("zoo", "tasks.clases=3")
    with pytest.raises(UserError, match=r"dataset\.sise: unknown option"):
        write("zoo", "dataset.sise=3")
    with pytest.raises(UserError, match=r"^--set tasks\.classes=9: tasks: 9 classes per task, but"):
        write("zoo", "tasks.classes=9")
    assert not list(tmp_path.glob("*.yaml"))


@pytest.mark.usefixtures("unmeasured")
def test_nothing_is_said_of_what_was_set(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo", ANIMALS[:4], 5)
    text = write("zoo", "architecture={use: cnn, widths: [4, 6]}").path.read_text()
    assert "the paper's CNN" not in text and "the CNN below" not in text
    assert "\narchitecture: {use: cnn, widths: [4, 6]}\n" in text


@pytest.mark.usefixtures("unmeasured")
def test_profiles_say_nothing_of_a_part_that_was_removed(write, tmp_path: Path) -> None:
    fill(tmp_path / "zoo", ANIMALS[:4], 5)
    path = write("zoo", "generators=[{use: oracle}]").path
    assert "tina-dit." not in path.read_text() and "tasks.ood: 1" in path.read_text()
    assert profile_names(path) == ["smoke", "laptop"]
    load_recipe(path, discover(), profile="smoke")
