"""Folders of labelled images, and facts in a p-Model's file that anybody may have altered."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tina_kit.zoo.answers import summary
from tina_kit.zoo.labelled import labelled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train/car", "train/bus", "test/car", "test/bus"):
        path = tmp_path / name / "1.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path)
    return tmp_path


def test_of_a_split_data_set_the_test_part_is_taken(folder: Path) -> None:
    assert labelled(folder, ["car", "bus"]).labels == [1, 0]  # sorted by folder: bus, car
    assert len(labelled(folder, ["car", "bus"])) == 2


def test_classes_may_be_called_train_and_test(folder: Path) -> None:
    found = labelled(folder, ["test", "train"])
    assert found.labels == [0, 0, 1, 1]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, "9", None])
def test_an_expected_accuracy_that_is_no_number_is_left_out(number: object) -> None:
    sound = {"p_acc": 50.0, "tasks": 3, "classes": 2, "ci95": [40.0, 60.0]}
    assert summary({"expected": sound}, ["a", "b"], (8, 8), 1)["expected"] == sound
    altered = {"expected": {**sound, "p_acc": number}}
    assert summary(altered, ["a", "b"], (8, 8), 1)["expected"] is None
