"""Images come whole, in a fixed order, split without overlap; what is missing is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tina_datasets.caltech import Caltech101
from tina_datasets.folder import ImageFolder
from tina_datasets.options import Caltech101Options, ImageFolderOptions, ShapesOptions
from tina_datasets.shapes import Shapes

from tina_kit.api import UserError


def write_class(folder: Path, count: int, start: int = 0) -> None:
    folder.mkdir(parents=True)
    for index in range(start, start + count):
        Image.new("RGB", (20, 30), (index, 0, 0)).save(folder / f"image_{index:04}.png")


@pytest.fixture
def caltech(tmp_path: Path) -> Path:
    root = tmp_path / "caltech101" / "101_ObjectCategories"
    for name, count in (("BACKGROUND_Google", 5), ("Faces", 10), ("cougar_body", 20)):
        write_class(root / name, count)
    return tmp_path


def reds(images: torch.Tensor) -> list[int]:
    """Which file each image was: its only colour."""
    return images[:, 0, 0, 0].tolist()


def test_caltech_leaves_out_the_background_and_splits_each_class_8_to_2(caltech: Path) -> None:
    dataset = Caltech101(Caltech101Options(root=caltech))
    assert dataset.class_names == ["faces", "cougar body"]
    train, test = dataset.load("train"), dataset.load("test")
    assert train.images.shape == (24, 3, 32, 32) and train.images.dtype == torch.uint8
    assert train.labels.tolist() == [0] * 8 + [1] * 16
    assert sorted(reds(train.images[:8]) + reds(test.images[:2])) == list(range(10))


def test_the_split_depends_on_its_seed_alone(caltech: Path) -> None:
    def test_images(seed: int) -> list[int]:
        options = Caltech101Options(root=caltech, split_seed=seed)
        return reds(Caltech101(options).load("test").images)

    assert test_images(0) == test_images(0)
    assert len({tuple(test_images(seed)) for seed in range(5)}) > 1


def test_missing_caltech_is_told_with_the_remedy(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("TINA_KIT_DATA", raising=False)
    with pytest.raises(UserError, match=r"Set TINA_KIT_DATA .*\n.*download=True"):
        Caltech101(Caltech101Options()).class_names  # noqa: B018
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path))
    with pytest.raises(UserError, match="Caltech-101 is missing"):
        Caltech101(Caltech101Options()).fingerprint()


def test_a_broken_image_is_named(caltech: Path) -> None:
    broken = caltech / "caltech101" / "101_ObjectCategories" / "Faces" / "image_0003.png"
    broken.write_bytes(broken.read_bytes()[:40])
    dataset = Caltech101(Caltech101Options(root=caltech))
    with pytest.raises(UserError, match=r"image_0003\.png: this image cannot be read"):
        dataset.load("train"), dataset.load("test")


def test_a_folder_with_its_own_split_keeps_it(tmp_path: Path) -> None:
    for split, count, start in (("train", 3, 0), ("val", 2, 100)):
        for name in ("n01", "n02"):
            write_class(tmp_path / "images" / split / name, count, start)
    (tmp_path / "names.tsv").write_text("n01\tgreen apple, apple\nn02\tpear\n")
    dataset = ImageFolder(
        ImageFolderOptions(root=tmp_path / "images", names=tmp_path / "names.tsv")
    )
    assert list(dataset.class_names) == ["green apple", "pear"]
    assert sorted(reds(dataset.load("train").images)) == [0, 0, 1, 1, 2, 2]
    assert sorted(reds(dataset.load("test").images)) == [100, 100, 101, 101]


def test_training_images_are_read_again_in_another_size(caltech: Path) -> None:
    dataset = Caltech101(Caltech101Options(root=caltech, split_seed=1))
    train = dataset.load("train").images
    index = torch.tensor([20, 3])
    larger = dataset.load_larger(index, 48)
    assert dataset.larger_than == 32 and larger.shape == (2, 3, 48, 48)
    assert reds(larger) == reds(train[index])


def test_a_plain_folder_of_classes_is_split(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_class(tmp_path / name, 10)
    dataset = ImageFolder(ImageFolderOptions(root=tmp_path, test_fraction=0.3))
    assert dataset.class_names == ["a", "b"]
    assert len(dataset.load("train").labels) == 14
    assert len(dataset.load("test").labels) == 6


@pytest.mark.parametrize("options", [{"test_fraction": 0.3}, {"split_seed": 2}], ids=str)
def test_a_split_is_not_asked_for_where_the_folders_have_made_it(
    tmp_path: Path, options: dict[str, float]
) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            write_class(tmp_path / split / name, 2)
    (name,) = options
    with pytest.raises(UserError, match=f"so {name} would have no effect; leave it out"):
        ImageFolder(ImageFolderOptions(root=tmp_path, **options)).files()
    defaults = {"test_fraction": 0.2, "split_seed": 0}  # as a resolved recipe has them
    assert ImageFolder(ImageFolderOptions(root=tmp_path, **defaults)).files()


def test_splits_of_different_classes_are_told(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "test/a", "test/c"):
        write_class(tmp_path / place, 1)
    with pytest.raises(UserError, match="the classes of the two splits differ: b, c"):
        ImageFolder(ImageFolderOptions(root=tmp_path)).class_names  # noqa: B018


def test_shapes_are_the_same_from_the_same_seed_and_differ_between_splits() -> None:
    options = ShapesOptions(train=3, test=3)
    train = Shapes(options).load("train")
    assert train.images.shape == (300, 3, 32, 32)
    assert torch.bincount(train.labels).tolist() == [3] * 100
    assert torch.equal(train.images, Shapes(options).load("train").images)
    assert not torch.equal(train.images, Shapes(options).load("test").images)
    other = ShapesOptions(train=3, test=3, seed=1)
    assert not torch.equal(train.images, Shapes(other).load("train").images)


def test_shapes_have_the_size_that_is_asked_for() -> None:
    train = Shapes(ShapesOptions(train=1, test=1, size=17)).load("train")
    assert train.images.shape == (100, 3, 17, 17)


def test_what_surrounds_a_shape_does_not_tell_its_class() -> None:
    """Only the middle of an image has its class's colour on average."""
    train = Shapes(ShapesOptions(train=60, test=1, size=16)).load("train")
    by_colour = train.images.float().view(10, -1, 3, 16, 16).mean(1)
    spread = by_colour.std(0).mean(0)  # (16, 16): how far colours are apart
    assert spread[7:9, 7:9].mean() > 8 * spread[0].mean()


def test_a_shape_has_its_colour() -> None:
    dataset = Shapes(ShapesOptions(train=40, test=1, noise=0))
    train = dataset.load("train")
    red, _, blue = train.images.float().mean((2, 3)).unbind(1)
    excess = (red - blue).view(100, 40).mean(1)
    names = list(dataset.class_names)
    assert excess[names.index("red square")] > 0 > excess[names.index("blue square")]
