"""From class names to a classifier that works by itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from PIL import Image

import tina_kit
from tests.conftest import RECIPE, personal_model, plan_of
from tina_kit.api import UserError
from tina_kit.pipeline.answering import OfRun
from tina_kit.pipeline.experiment import Experiment
from tina_kit.pipeline.personal import ReadyGenerator
from tina_kit.pipeline.remembered import Remembered
from tina_kit.pipeline.run import Run


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
    images = experiment.images.read("test").images[:5]
    assert torch.equal(again(images), model(images))


def test_the_oracles_and_selections_know_only_the_data_sets_classes(experiment) -> None:
    names = experiment.class_names[:3]
    model = personal_model(experiment, "classifier-selection", names)
    generic = experiment.generic.module
    pixels = experiment.architecture.normalise(experiment.images.read("test").images[:5])
    torch.testing.assert_close(model.module(pixels), generic(pixels)[:, :3], atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match="knows only the classes of the data set, and not "):
        personal_model(experiment, "classifier-selection", ["red circle", "a blue whale"])


def test_what_a_generator_cannot_do_is_told(experiment) -> None:
    with pytest.raises(UserError, match="did you mean 'tina-dit'"):
        personal_model(experiment, "tina", ["a", "b"])
    with pytest.raises(UserError, match="answers more classes than"):
        personal_model(experiment, "generic", experiment.class_names[:2])
    with pytest.raises(UserError, match="no p-Model was fine-tuned for the task red circle, red"):
        personal_model(experiment, "oracle", experiment.class_names[:2])


@pytest.mark.parametrize("small", [True, False])
def test_a_p_model_does_not_depend_on_what_is_asked_for_beside_it(
    experiment, small, monkeypatch
) -> None:
    if not small:  # as if it took several threads
        monkeypatch.setattr("tina_kit.pipeline.together.SMALL", 0)
    names = [*experiment.class_names, "a blue whale", "salt, pepper"]
    choice = random.Random(0)
    lists = [choice.sample(names, choice.choice([2, 5, 10])) for _ in range(12)]
    generator = ReadyGenerator(OfRun(experiment))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = [generator.generate(classes).content() for classes in lists]
        for together in (2, 5, 12):
            for first in range(0, len(lists), together):
                part = slice(first, first + together)
                made = generator.generate(lists[part])
                assert [model.content() for model in made] == alone[part]
    finally:
        torch.set_num_threads(before)


def test_the_error_of_one_request_is_not_that_of_another(experiment) -> None:
    generator = ReadyGenerator(OfRun(experiment))
    lists = [["red circle", "blue star"], ["red circle", "RED_circle"], ["one"], ["a", "<->"]]
    found = generator.answers([*lists, lists[0]])
    kinds = [type(each).__name__ for each in found]
    assert kinds == ["PModel", "UserError", "UserError", "UserError", "PModel"]
    alone = generator.generate(lists[0]).content()
    assert found[0].content() == found[4].content() == alone


def test_prompts_are_remembered_up_to_a_limit(monkeypatch) -> None:
    monkeypatch.setattr("tina_kit.pipeline.remembered.MOST", 3)
    asked: list[list[str]] = []

    def embed(prompts):  # type: ignore[no-untyped-def]
        asked.append(list(prompts))
        return torch.tensor([[float(len(prompt))] for prompt in prompts])

    rows = Remembered()
    for prompts in (["a", "bb"], ["bb", "ccc", "bb"], ["a", "dddd"], ["bb"]):
        found = rows.rows(prompts, embed)
        assert found.flatten().tolist() == [len(prompt) for prompt in prompts]
    assert asked == [["a", "bb"], ["ccc"], ["dddd"], ["bb"]]


# Images as prompts.

SEEING = """\
import torch
from tina_kit.api import Component, Conditioner, Options, hookimpl

class SeeingOptions(Options):
    pass

class Seeing(Conditioner):
    '''Mean colours; of a text, its length.'''
    modalities = ("text", "image")
    width = 3
    image_size = 6

    def __init__(self, options):
        pass

    def embed(self, prompts):
        return torch.tensor([[float(len(prompt)), 0, 0] for prompt in prompts])

    def embed_images(self, images):
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        return images.float().mean((2, 3)) / 255

@hookimpl
def tina_kit_components():
    return [Component(kind="conditioner", name="seeing", target=f"{__name__}:Seeing",
                      options=f"{__name__}:SeeingOptions", summary="Mean colours.")]
"""


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A finished run with a Tina trained on names and one trained on images."""
    folder = tmp_path_factory.mktemp("seeing")
    (folder / "seeing.py").write_text(SEEING)
    tina = RECIPE[RECIPE.index("  - use: tina-dit") : RECIPE.index("  - {use: oracle}")]
    shown = tina.replace("tina-dit\n", "tina-dit\n    name: shown\n    prompts: image\n")
    text = RECIPE.replace("use: hashed-ngrams", "use: seeing").replace(tina, tina + shown)
    (folder / "seeing.yaml").write_text(f"{text}plugins: [seeing.py]\n")
    plan = plan_of(folder / "seeing.yaml", folder / "store")
    Run.start(plan, folder / "runs").execute()
    return plan.experiments[0]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Red, green and blue, in three formats; the second lies on its side."""
    files = []
    for name, colour in (("a.png", "red"), ("b.jpg", "lime"), ("c.gif", "blue")):
        image = Image.new("RGB", (9, 6), colour)
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(tmp_path / name, **({"exif": exif, "quality": 100} if name == "b.jpg" else {}))
        files.append(tmp_path / name)
    return files


def test_images_become_a_p_model_by_the_tina_that_was_trained_on_images(seeing, pictures) -> None:
    names = ["red circle", "moss", "sea"]
    by_images = personal_model(seeing, None, names, pictures)
    by_names = personal_model(seeing, None, names)
    assert by_images.classes == ("red circle", "moss", "sea")
    assert (by_images.metadata["prompts"], by_names.metadata["prompts"]) == ("image", "text")
    assert by_images.metadata["generator"]["name"] == "shown"
    assert by_names.metadata["generator"]["name"] == "tina-dit"
    assert personal_model(seeing, "tina-dit", names, pictures).metadata["prompts"] == "image"


def test_a_p_model_depends_on_its_images(seeing, pictures) -> None:
    """Another order of images is the same p-Model with its rows in that order."""
    names = ["x", "y", "z"]
    images = seeing.images.read("test").images[:4]
    logits = personal_model(seeing, None, names, pictures)(images)
    turned = personal_model(seeing, None, names, pictures[::-1])(images)
    torch.testing.assert_close(logits, turned.flip(1), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits, turned, atol=1e-4)


def test_who_takes_no_images_says_so(experiment, seeing, pictures) -> None:
    with pytest.raises(UserError, match="accepts only text prompts; open"):
        personal_model(experiment, None, ["a", "b", "c"], pictures)
    with pytest.raises(UserError, match="classifier-selection reads no prompts"):
        personal_model(seeing, "classifier-selection", seeing.class_names[:3], pictures)
