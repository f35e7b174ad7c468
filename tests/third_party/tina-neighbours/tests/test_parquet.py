"""`parquet` keeps the contract of data sets, reads what people have, and says what is wrong."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from PIL import Image
from tina_kit.api import UserError
from tina_kit.testing import DatasetSuite

from pictures import NAMES, encoded, replaced, table, write
from tina_neighbours.options import ParquetOptions
from tina_neighbours.parquet import ParquetImages

WORDS = [name.replace("_", " ") for name in NAMES]


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    train, test = (texts(table(each=3, seed=seed, names=None)) for seed in (0, 1))
    written = {"all": table(each=6), "train": train, "test": test}
    return {name: str(write(folder / f"{name}.parquet", rows)) for name, rows in written.items()}


class TestOneFile(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _file(self, files: dict[str, str]) -> None:
        self.use = {"use": "parquet", "file": files["all"], "size": 16}


class TestTwoFiles(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _files(self, files: dict[str, str]) -> None:
        named = {"file": files["train"], "test_file": files["test"]}
        self.use = {"use": "parquet", **named, "size": 8}


def texts(content: pa.Table) -> pa.Table:
    """The same with labels that are names."""
    return replaced(content, "label", [NAMES[label] for label in content["label"].to_pylist()])


def opened(path: Path, **options: Any) -> ParquetImages:
    return ParquetImages(ParquetOptions(file=path, **{"size": 16, **options}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def told(data: ParquetImages, split: Any = "train") -> str:
    with pytest.raises(UserError) as error:
        data.load(split)
    assert "data.parquet" in str(error.value)
    return str(error.value)


# What it reads.


def test_pixels_and_labels_are_those_of_the_rows_of_the_split(path: Path) -> None:
    content = table(each=6)
    write(path, content)
    for split in ("train", "test"):
        rows = [row for row in content.to_pylist() if row["split"] == split]
        images = opened(path).load(split)
        assert images.labels.tolist() == [row["label"] for row in rows]
        with Image.open(BytesIO(rows[7]["image"]["bytes"])) as image:
            assert images.images[7, :, 3, 5].tolist() == list(image.getpixel((5, 3)))
            pixels = torch.tensor(list(image.tobytes())).view(16, 16, 3)
        assert torch.equal(images.images[7].permute(1, 2, 0), pixels.byte())


def test_more_rows_than_are_read_at_once_stay_in_order(path: Path, monkeypatch: Any) -> None:
    write(path, table(each=6))
    whole = opened(path).load("test")
    monkeypatch.setattr("tina_neighbours.table.BATCH", 7)
    parted = opened(path).load("test")
    assert torch.equal(whole.images, parted.images) and torch.equal(whole.labels, parted.labels)


def test_names_come_from_the_metadata_the_labels_or_an_option(path: Path) -> None:
    write(path, table(each=3))
    assert opened(path).class_names == WORDS
    own = tuple(f"thing {label}" for label in range(len(NAMES)))
    assert opened(path, names=own).class_names == list(own)
    write(path, texts(table(each=3, names=None)))
    assert opened(path).class_names == sorted(WORDS)
    turned = tuple(reversed(NAMES))
    assert opened(path, names=turned).class_names == WORDS[::-1]


@pytest.mark.parametrize("kind", ["text", "large text", "categories", "small numbers"])
def test_labels_of_other_types_are_the_same_labels(path: Path, kind: str) -> None:
    content = table(each=3)
    write(path, content)
    plain = opened(path).load("train").labels
    if kind == "small numbers":
        labels = pa.array(content["label"].to_pylist(), pa.uint8())
    else:
        labels = texts(content)["label"].combine_chunks()
        labels = labels.cast(pa.large_string()) if kind == "large text" else labels
        labels = labels.dictionary_encode() if kind == "categories" else labels
    write(path, replaced(content, "label", labels))
    assert torch.equal(opened(path, names=NAMES).load("train").labels, plain)


def test_images_may_be_plain_bytes_of_any_size_and_kind(path: Path) -> None:
    content = table(each=3)
    picture = Image.new("L", (40, 20), 200)
    images = [encoded(picture, kind) for kind in ("PNG", "JPEG")] * (len(content) // 2)
    write(path, replaced(content, "image", images))
    loaded = opened(path).load("train").images
    assert loaded.shape == (2 * len(NAMES), 3, 16, 16) and (loaded.float() - 200).abs().max() <= 2


def test_columns_and_splits_go_by_other_names(path: Path) -> None:
    content = table(each=6)
    where = [text == "test" for text in content["split"].to_pylist()]
    content = replaced(content, "split", where)
    write(path, content.rename_columns(["img", "fine_label", "held out"]))
    named = {"image": "img", "label": "fine_label", "split": "held out", "names": NAMES}
    data = opened(path, **named, train="False", test="True")
    counts = [len(data.load(split).images) for split in ("train", "test")]
    assert counts == [4 * len(NAMES), 2 * len(NAMES)]


# What is wrong.


def test_missing_files_are_told_at_once(path: Path) -> None:
    message = told(opened(path, test_file=path.parent / "more.parquet"))
    assert "file: there is no" in message and "test_file: there is no" in message


def test_a_file_that_is_no_parquet_is_told(path: Path) -> None:
    path.write_text("image,label\n")
    assert "no whole Parquet file" in told(opened(path))


def test_a_file_that_is_cut_off_is_told(path: Path) -> None:
    whole = write(path, table(each=3)).read_bytes()
    path.write_bytes(whole[: len(whole) // 3] + b"\0" * 2000 + whole[len(whole) // 3 + 2000 :])
    assert "no whole Parquet file" in told(opened(path)) or "cannot be read" in told(opened(path))


def test_missing_columns_are_told_with_the_nearest_names(path: Path) -> None:
    write(path, table(each=3))
    message = told(opened(path, image="images", label="labels"))
    assert "no column 'images' (did you mean image?" in message
    assert "no column 'labels' (did you mean label?" in message
    assert "there are image, label, split" in message


def test_a_file_without_a_split_is_told(path: Path) -> None:
    write(path, table(each=3).drop_columns("split"))
    assert "no column 'split'" in told(opened(path)) and "test_file" in told(opened(path))


def test_an_empty_split_is_told_with_those_that_there_are(path: Path) -> None:
    write(path, table(each=3))
    message = told(opened(path, test="validation"), "test")
    assert "no row has 'validation'" in message and "holds test, train" in message


def test_a_file_of_no_rows_is_told(path: Path) -> None:
    write(path, table(each=1)[:0])
    assert "holds no rows" in told(opened(path, test_file=path))


def test_an_image_that_does_not_decode_is_told_by_its_row(path: Path) -> None:
    content = table(each=3)
    images = content["image"].to_pylist()
    images[5]["bytes"] = images[5]["bytes"][:60]
    write(path, replaced(content, "image", images))
    assert "the image in row 5 (from 0) cannot be read" in told(opened(path))


@pytest.mark.parametrize("value", [None, {"bytes": None, "path": "cat.png"}])
def test_an_image_that_is_not_there_is_told_by_its_row(path: Path, value: Any) -> None:
    content = table(each=3)
    images = content["image"].to_pylist()
    images[5] = value
    write(path, replaced(content, "image", images))
    assert "row 5 (from 0) of 'image' holds no encoded image" in told(opened(path))


@pytest.mark.parametrize("label", [20, -1, None])
def test_labels_of_no_class_are_told_by_their_rows(path: Path, label: int | None) -> None:
    content = table(each=3)
    labels = content["label"].to_pylist()
    labels[5] = labels[9] = label
    write(path, replaced(content, "label", labels))
    message = told(opened(path, names=NAMES))
    assert "2 labels in 'label' are none of the 20 classes (0 is 'red disc'" in message
    assert f"{label} in row 5, {label} in row 9" in message


def test_a_test_label_that_no_training_image_has_is_told(path: Path) -> None:
    content = texts(table(each=3, names=None))
    labels = content["label"].to_pylist()
    labels[-1] = "mauve_ring"
    write(path, replaced(content, "label", labels))
    assert "'mauve_ring' in row 59" in told(opened(path), "test")


def test_numbers_without_names_are_told(path: Path) -> None:
    write(path, table(each=3, names=None))
    assert "list the class names in label order as `names`" in told(opened(path))


def test_names_that_are_the_same_words_are_told(path: Path) -> None:
    write(path, table(each=3, names=("red_disc", "red disc", *NAMES[2:])))
    assert "two or more, all different" in told(opened(path))


def test_labels_of_no_use_are_told(path: Path) -> None:
    content = table(each=3)
    write(path, replaced(content, "label", [0.5] * len(content)))
    assert "must be whole numbers or text" in told(opened(path, names=NAMES))


def test_without_pyarrow_the_remedy_is_told(path: Path, monkeypatch: Any) -> None:
    write(path, table(each=3))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'tina-neighbours[parquet]'" in told(opened(path))
