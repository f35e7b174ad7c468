"""mini-ImageNet is read from both of its layouts, and what is missing is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tina_datasets.mini_imagenet import MiniImageNet
from tina_datasets.options import MiniImageNetOptions

from tina_kit.api import UserError
from tina_kit.store import content_of

WNIDS = ["n01", "n02", "n03"]
NAMES = "n02\thouse finch, linnet\nn01\trobin, American robin\nn03\tking crab\nn99\tunused\n"


def write_image(path: Path, red: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20), (red, 0, 0)).save(path, format="PNG")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder for each class, as in the archive."""
    root = tmp_path / "mini_imagenet"
    for label, wnid in enumerate(WNIDS):
        for index in range(3):
            write_image(root / "train" / wnid / f"{wnid}_{index}.JPEG", 10 * label + index)
        write_image(root / "val" / wnid / f"val_{label}.JPEG", 100 + label)
    (root / "classes.tsv").write_text(NAMES)
    return tmp_path


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """One folder and three tables that part the classes: each class has ten images."""
    root = tmp_path / "mini_imagenet"
    for wnid, table in zip(WNIDS, ("val", "train", "test")):
        rows = ["filename,label"]
        for index in range(10):
            write_image(root / "images" / f"{wnid}{index:05}.jpg", 10 * int(wnid[1:]) + index)
            rows.append(f"{wnid}{index:05}.jpg,{wnid}")
        (root / f"{table}.csv").write_text("\n".join(rows) + "\n")
    (root / "classes.tsv").write_text(NAMES)
    return tmp_path


def mini(root: Path, **options: object) -> MiniImageNet:
    return MiniImageNet(MiniImageNetOptions(root=root, **options))


def reds(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_a_folder_for_each_class_keeps_its_split(folders: Path) -> None:
    dataset = mini(folders)
    assert list(dataset.wnids) == WNIDS
    assert list(dataset.class_names) == ["robin", "house finch", "king crab"]
    train, test = dataset.load("train"), dataset.load("test")
    assert reds(train.images) == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert reds(test.images) == [100, 101, 102] and test.labels.tolist() == [0, 1, 2]


def test_one_folder_with_tables_is_split_8_to_2_within_each_class(tables: Path) -> None:
    dataset = mini(tables)
    assert list(dataset.wnids) == WNIDS
    assert list(dataset.class_names) == ["robin", "house finch", "king crab"]
    train, test = dataset.load("train"), dataset.load("test")
    assert torch.bincount(train.labels).tolist() == [8] * 3
    assert torch.bincount(test.labels).tolist() == [2] * 3
    assert sorted(reds(train.images) + reds(test.images)) == list(range(10, 40))
    assert all(red // 10 - 1 == label for red, label in zip(reds(test.images), test.labels))


def test_the_split_of_the_tables_follows_its_seed(tables: Path) -> None:
    splits = {tuple(reds(mini(tables, split_seed=seed).load("test").images)) for seed in (0, 0, 1)}
    assert len(splits) == 2


def test_the_tables_may_be_sloppy_and_name_files_in_folders(tables: Path) -> None:
    root = tables / "mini_imagenet"
    write_image(root / "images" / "n01" / "more.jpg", 19)
    with (root / "val.csv").open("a") as file:
        file.write("n01/more.jpg , n01\n\n")
    text = (root / "val.csv").read_text().replace("filename,label", "\ufefffilename , label")
    (root / "val.csv").write_text(text, encoding="utf-8")
    dataset = mini(tables)
    assert len(dataset.load("train").labels) + len(dataset.load("test").labels) == 31


def known(root: Path) -> str:
    """What a data set answers for in keys."""
    dataset = mini(root)
    return content_of(dataset.files()) + dataset.fingerprint()


@pytest.mark.parametrize("layout", ["folders", "tables"])
def test_the_root_may_be_the_data_itself(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    assert known(root / "mini_imagenet") == known(root)


@pytest.mark.parametrize("layout", ["folders", "tables"])
def test_the_fingerprint_decodes_nothing_and_follows_files_and_names(
    layout: str, request: pytest.FixtureRequest, monkeypatch
) -> None:
    root = request.getfixturevalue(layout)
    monkeypatch.delattr(Image, "open")
    before = known(root)
    assert known(root) == before
    file = sorted((root / "mini_imagenet").rglob("*.[jJ]*"))[0]
    file.write_bytes(file.read_bytes() + b"\0")
    grown = known(root)
    (root / "mini_imagenet" / "classes.tsv").write_text(NAMES.replace("robin", "thrush"))
    assert len({before, grown, known(root)}) == 3


@pytest.mark.parametrize("layout", ["folders", "tables"])
def test_all_classes_without_a_name_are_told_at_once(
    layout: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(layout)
    (root / "mini_imagenet" / "classes.tsv").write_text("n02\tlinnet\nn03\t\n")
    with pytest.raises(UserError, match=r"classes\.tsv: no name for n01, n03\."):
        mini(root).class_names  # noqa: B018


def test_a_table_of_names_in_another_encoding_is_told(folders: Path) -> None:
    (folders / "mini_imagenet" / "classes.tsv").write_bytes("n01\tcaf\u00e9\n".encode("latin1"))
    with pytest.raises(UserError, match=r"classes\.tsv: not UTF-8 text .* Save it as UTF-8"):
        mini(folders).class_names  # noqa: B018


def test_without_a_table_of_names_one_can_be_given(tables: Path, tmp_path: Path) -> None:
    (tables / "mini_imagenet" / "classes.tsv").unlink()
    with pytest.raises(UserError, match=r"no name for n01, n02, n03\. Set `names`"):
        mini(tables).class_names  # noqa: B018
    (tmp_path / "words.txt").write_text("n01 robin, bird\nn02 house finch\nn03 king crab\n")
    names = mini(tables, names=tmp_path / "words.txt").class_names
    assert list(names) == ["robin", "house finch", "king crab"]


def test_missing_data_is_told_with_what_belongs_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("TINA_KIT_DATA", raising=False)
    with pytest.raises(UserError, match=r"TINA_KIT_DATA is not set.*mini_imagenet/"):
        MiniImageNet(MiniImageNetOptions()).class_names  # noqa: B018
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path))
    with pytest.raises(UserError, match=r"mini-ImageNet is missing .*train/WNID/.*train\.csv"):
        MiniImageNet(MiniImageNetOptions()).fingerprint()


def test_a_packed_archive_is_told_how_to_unpack(tmp_path: Path) -> None:
    (tmp_path / "mini_imagenet.tar.xz").touch()
    with pytest.raises(UserError, match=r"tar -xJf .*mini_imagenet\.tar\.xz -C DIR"):
        mini(tmp_path).fingerprint()


def test_mistakes_in_the_tables_are_told(tables: Path) -> None:
    root = tables / "mini_imagenet"
    good = (root / "train.csv").read_text()
    for change, reason in (
        ("file,label\na.jpg,n02\n", "needs the columns filename and label"),
        (good + "short\n", r"train\.csv:12: the row is too short"),
        (good + "\udcff\n", r"train\.csv: not UTF-8 text"),
        (good + "n0100000.jpg,n02\n", r"n0100000\.jpg is listed twice"),
        (good + "gone.jpg,n02\nlost.jpg,n02\n", r"2 images .* missing: gone\.jpg, lost\.jpg"),
    ):
        (root / "train.csv").write_text(change, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(UserError, match=reason):
            mini(tables).fingerprint()
    (root / "train.csv").unlink()
    (root / "test.csv").unlink()
    with pytest.raises(UserError, match=r"train\.csv, test\.csv missing"):
        mini(tables).fingerprint()
