"""`init`: what was found goes to stderr, what to type next to stdout."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tina_kit.cli.app import invoke
from tina_kit.pipeline import estimate

WORDS = ("--set", "conditioner={use: hashed-ngrams}")


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "ENOUGH", 0.02)


def fill(root: Path, classes: int) -> None:
    random = np.random.default_rng(0)
    for index in range(classes):
        (root / f"kind {index}").mkdir(parents=True)
        for image in range(5):
            pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"kind {index}" / f"{image}.png")


def test_the_commands_that_it_prints_work(tmp_path: Path, capsys) -> None:
    fill(tmp_path / "my images", 12)
    assert invoke(["init", "my images", "-o", "my recipe.yaml", *WORDS]) == 0
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first == "tina-kit run 'my recipe.yaml' --profile smoke" == f"{second} --profile smoke"
    assert "12 classes, 48 training images" in err and "A run takes about " in err
    assert invoke(["validate", "my recipe.yaml"]) == 0
    assert invoke(shlex.split(first)[1:]) == 0
    assert "tina-dit" in capsys.readouterr().out
    assert invoke(shlex.split(f"{second} --dry-run")[1:]) == 0
    assert "(shards)" in capsys.readouterr().out


def test_a_folder_that_holds_no_classes_is_one_mistake(tmp_path: Path, capsys) -> None:
    fill(tmp_path / "images" / "images", 4)
    assert invoke(["init", "images", *WORDS]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.startswith(f"error: {tmp_path / 'images'}")
    assert not list(tmp_path.glob("*.yaml"))


def test_without_images_a_recipe_is_written_as_well(tmp_path: Path, capsys) -> None:
    small = ["--set", "dataset.train=4", "--set", "dataset.test=2"]
    assert invoke(["init", *small, *WORDS]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "tina-kit run shapes.yaml"
    assert invoke(["validate", "shapes.yaml"]) == 0
