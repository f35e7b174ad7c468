"""`tina-kit evaluate`: a p-Model is as right as its run says, and its mistakes are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import tina_kit
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.finished import FinishedRun


def call(*words: object) -> int:
    return invoke(["evaluate", *map(str, words)])


def tasks_and_counts(run: FinishedRun, name: str):  # type: ignore[no-untyped-def]
    """Names of each OOD task's classes, and the run's right answers and images of each."""
    experiment = run.experiment()
    named = next(each for each in run.recipe.generators if each.name == name)
    counted = experiment.evaluation(named).read()["ood"]
    for task, right, total in zip(experiment.tasks["ood"], counted["correct"], counted["total"]):
        yield [experiment.class_names[index] for index in task.tolist()], right, total


def as_folders(images: torch.Tensor, labels: list[int], names: list[str], folder: Path) -> None:
    for place, (pixels, label) in enumerate(zip(images, labels)):
        path = folder / names[label].replace(" ", "_") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


def test_it_counts_what_the_run_counted(finished, tmp_path: Path) -> None:
    """With the run's own images as with the same images in folders."""
    run = tina_kit.open_run(finished[2])
    experiment = run.experiment()
    test, data = experiment.images.read("test"), tmp_path / "data"
    as_folders(test.images, test.labels.tolist(), experiment.class_names, data / "test")
    (data / "train").mkdir()
    accuracies = []
    for classes, right, total in tasks_and_counts(run, "tina-dit"):
        model = run.generator("tina-dit").generate(classes)
        for found in (
            tina_kit.evaluate(model, run=run),
            tina_kit.evaluate(model, data),
        ):
            assert [row["correct"] for row in found.by_class] == right
            assert [row["images"] for row in found.by_class] == total
        accuracies.append(found.accuracy)
    assert max(accuracies) > min(accuracies)
    mean = sum(accuracies) / len(accuracies)
    assert mean == pytest.approx(run.table.row("tina-dit")["p_acc"])


@pytest.mark.slow
def test_photographs_count_as_the_run_counted_them(
    photographed: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("TINA_KIT_STORE", str(photographed / "store"))
    [folder] = (photographed / "runs").glob("*/*")
    run = tina_kit.open_run(folder)
    experiment = run.experiment()
    dataset = experiment.images.dataset
    for name, path in dataset.files().items():
        folder = Path(name).parent
        if str(path) in {file.path for file in dataset.layout.files["test"]}:
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).symlink_to(path)
    for classes, right, _ in tasks_and_counts(run, "tina-dit"):
        model = run.generator("tina-dit").generate(classes)
        for found in (
            tina_kit.evaluate(model, run=run),
            tina_kit.evaluate(model, tmp_path / "data"),
        ):
            assert [row["correct"] for row in found.by_class] == right


@pytest.fixture
def images(finished, tmp_path: Path) -> Path:
    experiment = tina_kit.open_run(finished[2]).experiment()
    test, names = experiment.images.read("test"), experiment.class_names
    keep = [names.index(name) for name in ("red circle", "blue star", "grey ring", "red star")]
    some = torch.isin(test.labels, torch.tensor(keep))
    as_folders(test.images[some], test.labels[some].tolist(), names, tmp_path / "images")
    return tmp_path / "images"


def test_tables_json_and_pictures(finished, model, images, tmp_path: Path, capsys) -> None:
    plots = [tmp_path / "confusion.png", tmp_path / "mistakes.png"]
    assert call(model, images, "--plot", plots[0], "--mistakes", plots[1]) == 0
    told = capsys.readouterr()
    assert "red circle" in told.out and "taken for" in told.out and "all images" in told.out
    assert "left out what is no class of the p-Model: red_star" in told.err
    for path in plots:
        with Image.open(path) as picture:
            assert picture.format == "PNG" and min(picture.size) > 200
    assert call(model, images, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"] == 15 == sum(map(sum, facts["confusion"]))
    assert facts["correct"] == sum(row["correct"] for row in facts["classes"])
    assert facts["accuracy"] == pytest.approx(100 * facts["correct"] / 15)
    low, high = facts["ci95"]
    assert 0 <= low < facts["accuracy"] < high <= 100
    assert len(facts["mistakes"]) == 15 - facts["correct"]
    worst = [each["probability"] for each in facts["mistakes"]]
    assert worst == sorted(worst, reverse=True)
    first = facts["mistakes"][0]
    assert tina_kit.load(model).predict(first["image"]) == [first["predicted"]]
    assert first["true"].replace(" ", "_") == Path(first["image"]).parent.name
    assert facts["expected"]["p_acc"] is not None


def test_classes_without_images_do_not_count(finished, model, images, capsys) -> None:
    for file in (images / "blue_star").iterdir():
        file.unlink()
    found = tina_kit.evaluate(model, images)
    assert found.by_class[1]["accuracy"] is None and found.images == 10
    shares = [row["accuracy"] for row in found.by_class if row["images"]]
    assert found.mean_over_classes == pytest.approx(sum(shares) / 2)
    assert call(model, images) == 0
    assert "no images of blue star" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give either DIR or --run"),
        (["empty", "--run", "empty"], "give either DIR or --run"),
        (["none"], "none: cannot list this folder"),
        (["empty"], "there are no images of red circle, blue star, grey ring here"),
        (["images", "--plot", "plot.jpg"], "--plot plot.jpg: the file's name must end in .png"),
        (["images", "--mistakes", "none/x.png"], "there is no folder"),
        (["--run", "empty"], "empty"),
    ],
)
def test_mistakes_are_told(
    finished, model, images, tmp_path, monkeypatch, capsys, words: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert call(model, *words) == 2
    assert told in capsys.readouterr().err


def test_a_run_without_the_classes_says_so(finished) -> None:
    run = tina_kit.open_run(finished[2])
    model = run.generator("tina-dit").generate(["red circle", "a blue whale"])
    with pytest.raises(UserError, match="its data set has no class a blue whale"):
        tina_kit.evaluate(model, run=run)
