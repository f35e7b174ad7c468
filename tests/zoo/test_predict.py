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


def test_probabilities_are_the_softmax_of_the_logits(model, photo) -> None:
    shares = model.predict_proba([photo, photo])
    assert torch.equal(shares, model([photo, photo]).softmax(1))
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares.sum(1), torch.ones(2))
    assert model.predict_proba([]).shape == (0, 3)


def test_the_most_probable_classes_come_first(model, photo) -> None:
    [best] = model.topk(photo, 2)
    [every] = model.topk(photo, 9)
    assert best == every[:2] and [name for name, _ in best][:1] == model.predict(photo)
    assert sorted(name for name, _ in every) == ["apple", "fig", "pear"]
    values = [value for _, value in every]
    assert values == sorted(values, reverse=True) and abs(sum(values) - 1) < 1e-6
    with pytest.raises(UserError, match=r"at least one class an image .* not 0"):
        model.topk(photo, 0)


def test_a_pattern_stands_for_the_files_that_match(model, path) -> None:
    for name in ("b.png", "a.png", "c.jpg"):
        Image.new("RGB", (9, 9), (ord(name[0]), 0, 200)).save(path.parent / name)
    (path.parent / "more").mkdir()
    Image.new("L", (9, 9), 255).save(path.parent / "more" / "d.png")
    listed = [path.parent / name for name in ("a.png", "b.png", "photo.png")]
    assert torch.equal(model(f"{path.parent}/*.png"), model(listed))
    below = [*listed[:2], path.parent / "more" / "d.png", path]
    assert torch.equal(model(f"{path.parent}/**/*.png"), model(below))
    assert torch.equal(model(f"{path.parent}/mor?"), model(below[2]))
    with pytest.raises(UserError, match=r"\*\.gif: no file matches this pattern"):
        model(f"{path.parent}/*.gif")
    odd = path.parent / "what [1].png"
    Image.new("L", (9, 9), 255).save(odd)
    assert len(model(str(odd))) == 1  # a file of this name wins over the pattern


def test_a_stream_without_end_is_answered_batch_by_batch(model, photo) -> None:
    read = []

    def camera():  # type: ignore[no-untyped-def]
        while True:
            read.append(1)
            yield photo

    stream = model.stream(camera(), batch=3)
    first, second = next(stream), next(stream)
    assert torch.equal(first, model.predict_proba([photo] * 3)) and torch.equal(first, second)
    assert len(read) == 6
    with pytest.raises(UserError, match="at least one image, not 0"):
        next(model.stream(camera(), batch=0))


def test_images_are_read_in_parts_and_counted_over_all(model, monkeypatch) -> None:
    from tina_kit.zoo import given

    monkeypatch.setattr(given, "AT_ONCE", 2)
    monkeypatch.setattr(given.image_batches, "__defaults__", (2,))
    pictures = [Image.new("L", (9, 9), 40 * place) for place in range(5)]
    assert model(pictures).shape == (5, 3)
    with pytest.raises(UserError, match=r"image 3 \(counted from 0\): .*range from -5 to -5"):
        model.predict([*pictures[:3], Image.new("I", (4, 4), -5)])


def test_it_moves_to_a_device_and_says_where_it_is(model) -> None:
    assert model.to("cpu") is model and model.device == torch.device("cpu")
    with pytest.raises(UserError, match="no such device"):
        model.to("abacus")


def test_it_describes_itself(model) -> None:
    told = "<p-Model of 3 classes (pear, apple, fig), 345 parameters, images 8×6>"
    assert repr(model) == told
    assert model.info["classes"] == ["pear", "apple", "fig"] and model.info["unseen"] is None


def test_as_a_module_it_takes_images_of_any_size(model, photo, path) -> None:
    module = model.as_module()
    assert module.classes == ("pear", "apple", "fig") and module.image_size == SIZE
    assert not module.training
    for given in (tensor(photo), tensor(photo)[:, :, :11], tensor(photo)[:, :6, :8]):
        batch = given[None].expand(2, -1, -1, -1)
        torch.testing.assert_close(module(batch), model.predict_proba(batch), rtol=0, atol=1e-6)
    torch.testing.assert_close(module(tensor(photo)[None]), model.predict_proba(path))
    bare = model.module(tensor(photo)[None].float()).softmax(1)
    assert (bare - module(tensor(photo)[None])).abs().max() > 0.01  # it lacks the normalisation
