"""From class names to a classifier that works by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tina_kit
from tests.conftest import plan_of
from tina_kit.api import UserError
from tina_kit.pipeline.personal import personal_model


@pytest.fixture
def experiment(finished):
    path, store, _ = finished
    return plan_of(path, store).experiments[0]


def test_names_become_a_p_model_that_is_loaded_back(experiment, tmp_path: Path) -> None:
    model = personal_model(experiment, None, ["red circle", "a blue whale", "grey star"])
    model.save(tmp_path / "mine.safetensors")
    again = tina_kit.load(tmp_path / "mine.safetensors")
    assert again.classes == ("red circle", "a blue whale", "grey star")
    assert again.metadata["generator"]["name"] == "tina-dit"
    images = experiment.images("test").images[:5]
    assert torch.equal(again(images), model(images))


def test_the_oracles_and_selections_know_only_the_data_sets_classes(experiment) -> None:
    names = experiment.class_names[:3]
    model = personal_model(experiment, "classifier-selection", names)
    generic = experiment.generic_module
    pixels = experiment.architecture.normalise(experiment.images("test").images[:5])
    torch.testing.assert_close(model.module(pixels), generic(pixels)[:, :3], atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match="knows only the classes of the data set"):
        personal_model(experiment, "classifier-selection", ["red circle", "a blue whale"])


def test_what_a_generator_cannot_do_is_told(experiment) -> None:
    with pytest.raises(UserError, match="did you mean 'tina-dit'"):
        personal_model(experiment, "tina", ["a", "b"])
    with pytest.raises(UserError, match="answers more classes than"):
        personal_model(experiment, "generic", experiment.class_names[:2])
    with pytest.raises(UserError, match="no p-Model was fine-tuned for the task red circle, red"):
        personal_model(experiment, "oracle", experiment.class_names[:2])
