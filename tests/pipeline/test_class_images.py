"""Every class has images to learn from and to test on, or a run says so before it trains; images
that are left out are counted in the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import RECIPE, plan_of
from tina_kit.api import TinaKitError, UserError
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.stages import images as images_stage
from tina_kit.pipeline.stages.images import check_classes

SOME = """\
import torch
from tina_kit.api import Component, Dataset, Images, Options, hookimpl

class SomeOptions(Options):
    train: tuple[int, ...] = (6, 6, 6, 6)
    test: tuple[int, ...] = (3, 3, 3, 3)

class Some(Dataset):
    class_names = ("ash", "beech", "cedar", "date")

    def __init__(self, options):
        self.options = options

    def load(self, split):
        counts = torch.tensor(getattr(self.options, split))
        labels = torch.arange(len(counts)).repeat_interleave(counts)
        noise = torch.Generator().manual_seed(0)
        return Images(torch.randint(256, (len(labels), 3, 8, 8), generator=noise).byte(), labels)

@hookimpl
def tina_kit_components():
    return [Component(kind="dataset", name="some", target=f"{__name__}:Some",
                      options=f"{__name__}:SomeOptions", summary="So many images a class.")]
"""


def recipe(folder: Path, dataset: str, more: str = "") -> Path:
    (folder / "some.py").write_text(SOME)
    lines = [line for line in RECIPE.splitlines() if not line.startswith(("dataset", "tasks"))]
    text = "\n".join(lines).replace("sampling_steps: 1", f"sampling_steps: 1\n{more}")
    head = f"plugins: [some.py]\ndataset: {dataset}\ntasks: {{classes: 2, id: 2, ood: 1}}\n"
    path = folder / "some.yaml"
    path.write_text(head + text + "\n")
    return path


def rooms(folder: Path) -> set[str]:
    """The stages that came to an end."""
    store = folder / "store"
    return {path.name for path in store.iterdir() if not path.name.startswith(".")}


def failing(path: Path, capsys, *sets: str) -> str:
    folder = path.parent
    words = ["run", str(path), "--output", str(folder / "runs")]
    assert invoke([*words, *(word for each in sets for word in ("--set", each))]) == 2
    [error] = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    return error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("train: [6, 0, 6, 0]", "no train images of beech, date. Every class needs"),
        ("test: [3, 3, 0, 3]", "no test images of cedar. Every class needs training and test"),
        ("train: [6, 6, 6], test: [3]", "no train images of date and no test images of beech, ced"),
    ],
)
def test_a_class_without_images_is_told_before_anything_is_trained(
    tmp_path, capsys, options: str, told: str
) -> None:
    path = recipe(tmp_path, f"{{use: some, {options}}}")
    assert told in failing(path, capsys)
    assert rooms(tmp_path) <= {"conditions"}


def test_images_that_an_older_version_kept_are_looked_at_again(tmp_path, monkeypatch) -> None:
    path = recipe(tmp_path, "{use: some, test: [3, 3, 0, 3]}")
    plan = plan_of(path, tmp_path / "store")
    with monkeypatch.context() as older:
        older.setattr(images_stage, "check_classes", lambda *_: None)
        plan.experiments[0].images.ensure()
    run = Run.start(plan, tmp_path / "runs")
    with pytest.raises(UserError, match="no test images of cedar"):
        run.execute()
    assert rooms(tmp_path) == {"images", "conditions"}


def test_a_class_that_validation_holds_out_whole_is_told(tmp_path, capsys) -> None:
    path = recipe(tmp_path, "{use: some, train: [6, 1, 6, 6]}")
    told = failing(path, capsys, "evaluation.on=validation")
    assert "too few training images of beech: with evaluation.on: validation a fifth of" in told
    run = Run.start(plan_of(path, tmp_path / "store"), tmp_path / "runs")
    assert run.execute().rows  # one image is enough to learn from


def test_a_class_whose_only_image_is_kept_as_a_prompt_is_told() -> None:
    labels = {"train": torch.tensor([0, 0, 1]), "test": torch.tensor([0, 1])}
    check_classes(["ash", "beech"], labels, validating=False)
    with pytest.raises(UserError, match="one training image alone of beech: prompts: image needs"):
        check_classes(["ash", "beech"], labels, validating=False, prompts=True)


@pytest.mark.parametrize("wrong", [2, -1])
def test_labels_without_a_class_are_told(wrong: int) -> None:
    labels = {"train": torch.tensor([0, 1, wrong]), "test": torch.tensor([0, 1])}
    with pytest.raises(TinaKitError, match=r"train images have labels from .* in \[0, 2\)"):
        check_classes(["ash", "beech"], labels, validating=False)


def test_damaged_images_are_counted_in_the_run_folder(tmp_path: Path, capsys) -> None:
    for name in ("ash", "beech", "cedar", "date"):
        for index in range(5):
            path = tmp_path / "imgs" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (index, 0, 0)).save(path)
    for name in ("ash/0.png", "ash/3.png"):
        (tmp_path / "imgs" / name).write_bytes(b"no image")
    path = recipe(tmp_path, "{use: image-folder, root: imgs}")
    words = ["run", str(path), "--output", str(tmp_path / "runs")]
    assert invoke(words) == 2
    told = capsys.readouterr().err
    assert "2 images cannot be read. Set `skip_damaged: true`" in told and "ash/3.png" in told
    for state in ("computed", "cached"):
        assert invoke([*words, "--set", "dataset.skip_damaged=true"]) == 0
        assert "images: skipped 2 images that cannot be read: ash/0.png: it" in (
            capsys.readouterr().err
        )
        newest = max(
            (tmp_path / "runs").glob("*/*/run.json"), key=lambda file: file.stat().st_mtime
        )
        [stage] = [x for x in json.loads(newest.read_text())["stages"] if x["name"] == "images"]
        assert stage["state"] == state and stage["left_out"]["count"] == 2
        assert [line.split(":")[0] for line in stage["left_out"]["images"]] == [
            "ash/0.png",
            "ash/3.png",
        ]


def test_a_class_whose_images_are_all_damaged_is_told(tmp_path: Path, capsys) -> None:
    for name in ("ash", "beech", "cedar", "date"):
        for index in range(2):
            path = tmp_path / "imgs" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (index, 0, 0)).save(path)
            if name == "beech":
                path.write_bytes(b"no image")
    path = recipe(tmp_path, "{use: image-folder, root: imgs, skip_damaged: true}")
    assert "no train images of beech and no test images of beech" in failing(path, capsys)
