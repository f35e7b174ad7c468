"""What is exported answers photographs as the p-Model does, or is not written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, ResNet20Options
from tina_architectures.resnet20 import ResNet20

import tina_kit
from tina_kit.api import TinaKitError, UserError
from tina_kit.api.images import read_whole
from tina_kit.cli.app import invoke
from tina_kit.zoo import exporting, onnx_form
from tina_kit.zoo.pmodel import PModel

CLASSES = ["pear", "salt, pepper", "чайка"]
METADATA = {"architecture": {"use": "tina-kit/cnn", "widths": [4, 6]}, "run": "tiny"}


@pytest.fixture(scope="module")
def model() -> PModel:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    torch.manual_seed(0)
    module = architecture.build(3)
    module[-1].weight.data *= 20  # so that images differ
    return PModel(module, architecture, CLASSES, (32, 24), METADATA)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    shapes = [(300, 200), (200, 300), (32, 24), (7, 9), (401, 101), (1, 1)] * 2
    for place, (height, width) in enumerate(shapes):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8) // (1 + place % 5)
        path = folder / CLASSES[place % 3] / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def of(path: Path) -> torch.Tensor:
    return torch.from_numpy(read_whole(path).copy())[None]


@pytest.mark.slow
def test_onnx_takes_photographs_and_holds_the_names(model, photos, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    done = tina_kit.export(model, tmp_path / "mine.onnx", images=photos)
    assert done.images == 12 and not done.generated and done.difference <= 1e-5
    assert done.accuracy and done.accuracy[0] == done.accuracy[1]
    assert done.size == (tmp_path / "mine.onnx").stat().st_size < 40_000
    session = runtime.InferenceSession(tmp_path / "mine.onnx")
    [given], [got] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["N", 3, "H", "W"])
    assert (got.name, got.shape) == ("probabilities", ["N", 3])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == CLASSES
    assert json.loads(facts["image_size"]) == [32, 24]
    shares = model.predict_proba(photos).numpy()
    assert np.ptp(shares, 0).max() > 0.2  # they differ
    for path, share in zip(sorted(photos.rglob("*.png")), shares):
        [answer] = session.run(None, {"images": of(path).numpy()})[0]
        np.testing.assert_allclose(answer, share, atol=1e-5)
    batch = torch.cat([of(photos / "pear" / "0.png")] * 3).numpy()
    assert session.run(None, {"images": batch})[0].shape == (3, 3)


@pytest.mark.slow
def test_int8_says_what_it_costs(model, photos, tmp_path: Path, capsys) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    model.save(tmp_path / "mine.safetensors")
    words = ["export", tmp_path / "mine.safetensors", "-o", tmp_path / "small.onnx", "--int8"]
    assert invoke([str(w) for w in (*words, "--images", photos)]) == 0
    told = capsys.readouterr().err
    assert "on 12 images" in told and "accuracy" in told and "the p-Model's" in told
    made = onnx.load(tmp_path / "small.onnx")
    assert "ConvInteger" in {node.op_type for node in made.graph.node}
    assert {each.key for each in made.metadata_props} >= {"classes", "image_size"}


@pytest.mark.slow
def test_a_program_of_torch_takes_photographs(model, photos, tmp_path: Path) -> None:
    done = tina_kit.export(model, tmp_path / "mine.pt2", format="torch-export")
    assert done.generated and done.difference <= 1e-5 and done.accuracy is None
    extra = {"tina-kit.json": ""}
    program = torch.export.load(tmp_path / "mine.pt2", extra_files=extra).module()
    assert json.loads(extra["tina-kit.json"])["classes"] == CLASSES
    for path, share in zip(sorted(photos.rglob("*.png")), model.predict_proba(photos)):
        torch.testing.assert_close(program(of(path))[0].detach(), share, atol=1e-5, rtol=0)


def test_safetensors_say_how_images_are_prepared(model, photos, tmp_path: Path) -> None:
    done = tina_kit.export(model, tmp_path / "plain.safetensors", format="safetensors")
    assert done.difference == 0
    with safe_open(tmp_path / "plain.safetensors", framework="pt") as file:
        told = {key: json.loads(text) for key, text in file.metadata().items() if key != "format"}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    way = told["preprocessing"]
    network = model.architecture.build(len(told["classes"])).eval()
    network.load_state_dict(state)
    with Image.open(photos / "pear" / "0.png") as photo:
        height, width = way["size"]
        pixels = np.asarray(ImageOps.fit(photo, (width, height), Image.Resampling.BILINEAR))
    prepared = pixels * np.array(way["scale"]) + np.array(way["offset"])
    logits = network(torch.from_numpy(prepared).permute(2, 0, 1)[None].float())
    expected = model.predict_proba(photos / "pear" / "0.png")
    torch.testing.assert_close(logits.softmax(1), expected, atol=1e-5, rtol=0)
    again = tina_kit.load(tmp_path / "plain.safetensors")
    assert torch.equal(again.predict_proba(photos), model.predict_proba(photos))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_deeper_network_is_exported_too(photos, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    architecture = ResNet20(ResNet20Options())
    torch.manual_seed(0)
    model = PModel(architecture.build(3), architecture, CLASSES, (32, 32), {})
    done = tina_kit.export(model, tmp_path / "deep.onnx", images=photos)
    assert done.difference <= 1e-5


def test_what_answers_otherwise_is_not_written(model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exporting, "load_bytes", lambda content: altered(model))
    with pytest.raises(TinaKitError, match=r"not written: as safetensors it answers otherwise"):
        tina_kit.export(model, tmp_path / "plain.safetensors", format="safetensors")
    assert not (tmp_path / "plain.safetensors").exists()


def altered(model: PModel) -> PModel:
    module = model.architecture.build(3)
    module.load_state_dict(model.module.state_dict())
    module[-1].bias.data[0] += 0.01
    return PModel(module, model.architecture, CLASSES, model.image_size, METADATA)


@pytest.fixture
def file(model, tmp_path: Path) -> Path:
    model.save(tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "x.pth"], "--output x.pth: unknown suffix. Give --format onnx, torch-export"),
        (["-o", "x", "--format", "tflite"], "--format tflite: unknown"),
        (["-o", "x.safetensors", "--int8"], "int8 is a form of onnx, not of safetensors"),
        (["-o", "none/x.onnx"], "there is no folder"),
        (["-o", "x.safetensors", "--images", "none"], "none"),
        (["-o", "x.safetensors", "--images", "damaged"], "a.png: this image cannot be read"),
        (["-o", "x.safetensors", "--images", "empty"], "there are no images in this folder"),
    ],
)
def test_mistakes_are_told(file, tmp_path, monkeypatch, capsys, words, told) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "a.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert invoke(["export", str(file), *words]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.glob("x*"))


def test_a_missing_package_is_named(model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"needs the package onnxscript: .*tina-kit\[export\]"):
        tina_kit.export(model, tmp_path / "mine.onnx")


def test_what_an_exporter_cannot_express_is_told(model, tmp_path: Path, monkeypatch) -> None:
    def fail(module, facts):  # type: ignore[no-untyped-def]
        raise RuntimeError("data-dependent control flow\nand more")

    monkeypatch.setattr(onnx_form, "torch_program", fail)
    with pytest.raises(UserError, match=r"as torch-export: data-dependent control flow$"):
        tina_kit.export(model, tmp_path / "mine.pt2", format="torch-export")
