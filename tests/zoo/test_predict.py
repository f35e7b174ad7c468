"""A p-Model takes images in every form that says what its numbers mean, and refuses the others."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from torch import Tensor

from tina_kit.api import UserError
from tina_kit.zoo.pmodel import PModel

SIZE = (8, 6)


@pytest.fixture(scope="module")
def model() -> PModel:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    torch.manual_seed(0)
    return PModel(architecture.build(3), architecture, ["pear", "apple", "fig"], SIZE, {})


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """uint8 `(20, 30, 3)`."""
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def path(photo, tmp_path: Path) -> Path:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def tensor(photo: np.ndarray) -> Tensor:
    return torch.from_numpy(photo).permute(2, 0, 1)


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "Pillow": Image.fromarray,
    "array (H, W, 3)": lambda photo: photo,
    "array (3, H, W)": lambda photo: photo.transpose(2, 0, 1),
    "array (N, 3, H, W)": lambda photo: photo.transpose(2, 0, 1)[None],
    "array (N, H, W, 3)": lambda photo: photo[None],
    "array in another order": np.asfortranarray,
    "tensor (3, H, W)": tensor,
    "tensor (N, 3, H, W)": lambda photo: tensor(photo)[None],
    "list of arrays": lambda photo: [photo],
    "tuple of tensors": lambda photo: (tensor(photo),),
    "iterator": lambda photo: iter([Image.fromarray(photo)]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_is_read_as_its_file_is(model, photo, path, form: str) -> None:
    expected = model(path)
    assert expected.shape == (1, 3) and expected.dtype == torch.float32
    assert torch.equal(model(FORMS[form](photo)), expected)
    assert model.predict(FORMS[form](photo)) == model.predict(str(path))


def test_images_are_resized_as_in_training(model, photo, path) -> None:
    from tina_kit.api import read_images

    pixels = torch.from_numpy(read_images([path], SIZE))
    assert torch.equal(model(path), model(pixels))
    expected = model.module(model.architecture.normalise(pixels))
    torch.testing.assert_close(model(path), expected)


def test_many_images_are_answered_in_their_order(model, photo, path, tmp_path: Path) -> None:
    dark = np.zeros((9, 9, 3), np.uint8)
    mixed = [path, photo, dark, Image.fromarray(photo), tensor(dark), str(path)]
    logits = model(mixed)
    assert torch.equal(logits[[0, 0, 2, 0, 2, 0]], logits) and not torch.equal(logits[0], logits[2])
    assert len(model.predict([tensor(dark)[None].expand(4, -1, -1, -1), path])) == 5


def test_a_large_batch_is_the_sum_of_its_images(model) -> None:
    images = torch.randint(256, (600, 3, *SIZE), dtype=torch.uint8)
    one_by_one = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(model(images), one_by_one)


def test_a_grey_array_is_a_grey_image(model) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(SIZE)
    assert torch.equal(model(grey), model(np.stack([grey] * 3, -1)))


def test_a_folder_stands_for_its_images(model, path, caplog) -> None:
    Image.new("L", (9, 9)).save(path.parent / "a.tif")
    (path.parent / "more").mkdir()
    Image.new("L", (9, 9), 255).save(path.parent / "more" / "b.png")
    (path.parent / "notes.txt").touch()
    names = [path.parent / name for name in ("a.tif", "more/b.png", "photo.png")]
    assert torch.equal(model(path.parent), model(names))
    assert [record.message for record in caplog.records] == [
        f"{path.parent}: skipped 1 entry that is not an image: notes.txt"
    ]
    assert len(model.predict([path.parent, path])) == 4


def test_no_images_are_no_classes(model) -> None:
    for none in ([], torch.empty(0, 3, *SIZE, dtype=torch.uint8), np.empty((0, 3, 8, 8), np.uint8)):
        assert model.predict(none) == [] and model(none).shape == (0, 3)


def test_upright_transparent_and_deep_images_are_read_right(model, tmp_path: Path) -> None:
    white = model(np.full((8, 8, 3), 255, np.uint8))
    assert torch.equal(model(Image.new("RGBA", (9, 9), (200, 0, 0, 0))), white)
    grey = model(np.full((8, 8, 3), 100, np.uint8))
    assert torch.equal(model(Image.fromarray(np.full((9, 9), 25700, np.uint16))), grey)


def unit(*shape: int) -> Tensor:
    return torch.rand(shape)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "floats": (
        lambda: unit(2, 3, *SIZE),
        r"a tensor of float32 .* with `\(x \* 255\)\.round\(\)\.to",
    ),
    "another size of floats": (lambda: unit(2, 3, 4, 4), "a tensor of float32"),
    "doubles": (lambda: unit(3, 8, 8).double(), "a tensor of float64"),
    "half floats": (lambda: unit(3, 8, 8).half(), "a tensor of float16"),
    "bfloat16": (lambda: unit(3, 8, 8).bfloat16(), "a tensor of bfloat16"),
    "NaN": (lambda: unit(1, 3, *SIZE) * torch.nan, "a tensor of float32"),
    "int64": (
        lambda: torch.zeros(1, 3, *SIZE).long(),
        r"int64.*Convert values from 0 to 255 with `x\.to\(torch",
    ),
    "int8": (lambda: torch.zeros(1, 3, *SIZE).char(), "a tensor of int8"),
    "bool": (lambda: torch.zeros(1, 3, *SIZE).bool(), "a tensor of bool"),
    "float array": (lambda: np.zeros((8, 8, 3)), r"an array of float64 .*\.astype\('uint8'\)"),
    "int array": (lambda: np.zeros((8, 8, 3), int), r"an array of int64 .*`x\.astype\('uint8'\)`"),
    "uint16 array": (lambda: np.zeros((8, 8), np.uint16), "an array of uint16"),
    "objects": (lambda: np.array([None]), "an array of object"),
    "words": (lambda: np.array(["a.png"]), "an array of <U5"),
    "one channel": (lambda: torch.zeros(2, 1, *SIZE, dtype=torch.uint8), r"shape \(2, 1, 8, 6\)"),
    "four channels": (lambda: torch.zeros(2, 4, 8, 8, dtype=torch.uint8), r"shape \(2, 4, 8, 8\)"),
    "last channels": (lambda: torch.zeros(8, 8, 3, dtype=torch.uint8), r"shape \(8, 8, 3\)"),
    "a flat tensor": (lambda: torch.zeros(2, 144, dtype=torch.uint8), r"shape \(2, 144\)"),
    "a number": (lambda: torch.tensor(3, dtype=torch.uint8), r"a tensor of shape \(\)"),
    "too many axes": (lambda: torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8), r"\(1, 1, 3, 8, 8\)"),
    "no pixels": (lambda: torch.zeros(1, 3, 0, 8, dtype=torch.uint8), r"shape \(1, 3, 0, 8\)"),
    "RGBA array": (lambda: np.zeros((8, 8, 4), np.uint8), r"an array of shape \(8, 8, 4\)"),
    "grey arrays": (lambda: np.zeros((5, 8, 8), np.uint8), r"an array of shape \(5, 8, 8\)"),
    "flat array": (lambda: np.zeros(9, np.uint8), r"an array of shape \(9,\)"),
    "channels on both ends": (lambda: np.zeros((3, 8, 3), np.uint8), "first or last"),
    "batches of those": (lambda: np.zeros((2, 3, 8, 3), np.uint8), "first or last"),
    "nothing": (lambda: None, "an object of NoneType"),
    "an int": (lambda: 3, "an object of int"),
    "ints": (lambda: [0, 1], "an object of int"),
    "bytes": (lambda: b"\x89PNG", "an object of bytes"),
    "a dict": (lambda: {"a": 1}, "an object of dict"),
    "a set": (lambda: {"a.png"}, "an object of set"),
    "nested lists": (lambda: [["a.png"]], "a list that contains a list"),
    "pairs": (lambda: [("a.png", 1)], "a list that contains a tuple"),
    "an open file": (lambda: BytesIO(b"line\n"), "a BytesIO that contains a bytes"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_all_else_is_refused_in_words(model, what: str) -> None:
    given, told = REFUSED[what]
    for call in (model, model.predict):
        with pytest.raises(UserError, match=told) as caught:
            call(given())
        assert "\n" not in str(caught.value)
    if "channels on" not in what and "batches" not in what:
        assert "Pass image files, folders, Pillow images, uint8 arrays" in str(caught.value)


def test_files_that_cannot_be_read_are_told_at_once(model, path) -> None:
    (path.parent / "text.png").write_text("no image")
    with pytest.raises(UserError, match="2 images cannot be read") as caught:
        model.predict([path, path.parent / "text.png", path.parent / "none.png"])
    assert "none.png: there is no such file" in str(caught.value)
    with pytest.raises(UserError, match=r"there are no images in this folder, only a\.txt"):
        (path.parent / "empty").mkdir()
        (path.parent / "empty" / "a.txt").touch()
        model.predict(path.parent / "empty")
    with pytest.raises(UserError, match=r"image 1 \(counted from 0\): .*range from -5 to -5"):
        model.predict([path, Image.new("I", (4, 4), -5)])


def test_a_model_on_another_device_takes_images_from_here(photo) -> None:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    model = PModel(architecture.build(2).to("meta"), architecture, ["a", "b"], SIZE, {})
    devices = []
    model.module.register_forward_pre_hook(lambda _, given: devices.append(given[0].device.type))
    with pytest.raises(RuntimeError, match="meta tensors"):  # they have no values to check
        model(photo)
    assert devices == ["meta"]
