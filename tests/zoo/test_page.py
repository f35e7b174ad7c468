"""The exported page answers as the p-Model does, run by node, and stands alone."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import nn

import tina_kit
from tests.zoo.page_models import CLASSES, METADATA, awkward_model, draw_photos
from tina_kit.api import TinaKitError, UserError
from tina_kit.cli.app import invoke
from tina_kit.zoo import exporting, page_check, resizing
from tina_kit.zoo import page as pages
from tina_kit.zoo.layers import compute, layers_of
from tina_kit.zoo.pmodel import PModel

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture(scope="module")
def model() -> PModel:
    return awkward_model()


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("photos"))


def difference(file: Path, model: PModel, photos: Path) -> float:
    shares = model.predict_proba(photos).numpy()
    assert np.ptp(shares, 0).max() > 0.2  # images differ
    with page_check.page_runner(file.read_bytes()) as answers:
        images = (torch.from_numpy(exporting.read_whole(p).copy()) for p in photos.iterdir())
        found = {path: answers(image[None])[0] for path, image in zip(photos.iterdir(), images)}
    return float(max(np.abs(found[p] - s).max() for p, s in zip(sorted(found), shares)))


@needs_node
def test_the_script_answers_as_the_p_model_does(model, photos, tmp_path: Path) -> None:
    done = tina_kit.export(model, tmp_path / "mine.html", format="html", images=photos)
    assert done.images == 8 and done.difference <= 1e-5 and done.note == ""
    assert difference(tmp_path / "mine.html", model, photos) <= 1e-5


@needs_node
@pytest.mark.parametrize("first", [True, False])
def test_it_resizes_like_the_pillow_that_is_installed(
    model, photos, tmp_path: Path, monkeypatch, first
) -> None:
    monkeypatch.setattr(pages, "COLUMNS_FIRST", first)
    monkeypatch.setattr(resizing, "COLUMNS_FIRST", first)
    done = tina_kit.export(model, tmp_path / "mine.html", format="html", images=photos)
    assert done.difference <= 1e-5


@needs_node
def test_other_layers_are_computed_too(photos, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(0, 2), groups=3),
        nn.Sequential(nn.ReLU(), nn.Conv2d(6, 4, 3, dilation=2, padding=1)),
        nn.Flatten(),
        nn.LazyLinear(5),
        nn.ReLU(),
        nn.Linear(5, 7, bias=False),
    )
    module(torch.zeros(1, 3, 32, 24))
    model = PModel(module, CNN(CNNOptions()), CLASSES, (32, 24), {})
    done = tina_kit.export(model, tmp_path / "mine.html", format="html", images=photos)
    assert done.difference <= 1e-5


def test_layers_in_plain_data_compute_what_the_module_does(model) -> None:
    layers, weights = layers_of(model.module)
    again = json.loads(json.dumps(layers))
    assert [each["kind"] for each in again] == [
        "conv",
        "relu",
        "conv",
        "relu",
        "mean",
        "flatten",
        "linear",
    ]
    assert len(weights) == model.parameters
    images = torch.rand(3, 3, 32, 24)
    torch.testing.assert_close(compute(again, weights, images), model.module(images))


def test_without_node_its_data_are_checked_and_that_is_told(
    model, photos, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    model.save(tmp_path / "mine.safetensors")
    words = ["export", tmp_path / "mine.safetensors", "-o", tmp_path / "mine.html"]
    assert invoke([str(word) for word in words]) == 0
    told = capsys.readouterr().err
    assert "on 16 generated images" in told and "its script was not run on this machine" in told
    assert difference(tmp_path / "mine.html", model, photos) <= 1e-5


@pytest.mark.parametrize("path", ["", pytest.param(None, marks=needs_node)])
def test_a_page_that_answers_otherwise_is_not_written(
    model, tmp_path: Path, monkeypatch, path
) -> None:
    if path is not None:
        monkeypatch.setenv("PATH", path)
    right = pages.page

    def wrong(model: PModel, preprocessing):  # type: ignore[no-untyped-def]
        return right(model, {**preprocessing, "offset": [0, 0, 0]})

    monkeypatch.setattr(exporting, "page", wrong)
    with pytest.raises(TinaKitError, match="not written: as html it answers otherwise"):
        tina_kit.export(model, tmp_path / "mine.html", format="html")
    assert not (tmp_path / "mine.html").exists()


@needs_node
def test_a_script_that_fails_is_told(model, tmp_path: Path, monkeypatch) -> None:
    right = pages._text

    def broken(name: str) -> str:
        return right(name).replace("function softmax", "function other")

    monkeypatch.setattr(pages, "_text", broken)
    with pytest.raises(TinaKitError, match="node cannot run the page: ReferenceError: softmax"):
        tina_kit.export(model, tmp_path / "mine.html", format="html")


class Read(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:  # type: ignore[no-untyped-def]
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_says_what_it_is(model, tmp_path: Path) -> None:
    tina_kit.export(model, tmp_path / "mine.html", format="html")
    text = (tmp_path / "mine.html").read_text(encoding="utf-8")
    page = Read(text)
    assert page.links == ["data:,"] and "b" not in page.tags  # no class name became an element
    assert page.tags.count("script") == 3
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    for words in (
        "does not leave this device",
        "7 classes: pear; salt, pepper; чайка; </script><b>x; {{model}}; a",
        "generated for these classes by tina-<dit>",
        "not trained on images of: чайка",
        "Expected accuracy: 76.3% (95% interval 70.1 to 80.2)",
        "40 tasks of 7 classes",
    ):
        assert words in page.text
    data, weights = pages.data_of(text.encode())
    assert data["classes"] == CLASSES and weights.dtype == np.float32
    assert len(text.encode()) < 60_000


@pytest.mark.parametrize("p_acc", [float("nan"), 10**400, -1], ids=["nan", "huge", "negative"])
def test_an_impossible_accuracy_is_left_out(model, p_acc) -> None:
    expected = {"p_acc": p_acc, "ci95": None, "tasks": 4, "classes": 7}
    odd = PModel(
        model.module, model.architecture, CLASSES, (32, 24), {**METADATA, "expected": expected}
    )
    way = exporting.preprocessing(odd.architecture, odd.image_size)
    assert b"Expected accuracy" not in pages.page(odd, way)


def test_another_architecture_is_refused_and_the_formats_that_work_are_named(
    tmp_path: Path,
) -> None:
    architecture = ResNet20(ResNet20Options())
    model = PModel(architecture.build(3), architecture, CLASSES[:3], (32, 32), {})
    wanted = r"this architecture has \w+\. Give --format onnx, torch-export or safetensors"
    with pytest.raises(UserError, match=wanted):
        tina_kit.export(model, tmp_path / "mine.html", format="html")
    assert not (tmp_path / "mine.html").exists()


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 2, 3, padding="same"),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(2),
        nn.GELU(),
    ],
)
def test_layers_that_a_page_does_not_compute_are_refused(layer) -> None:
    with pytest.raises(UserError, match=type(layer).__name__):
        layers_of(nn.Sequential(layer))


def test_pixels_that_are_not_scaled_and_shifted_are_refused(model) -> None:
    with pytest.raises(UserError, match=r"normalises them in another way\. Give --format onnx"):
        pages.page(model, None)
