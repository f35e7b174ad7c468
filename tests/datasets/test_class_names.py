"""Class names of folders and tables: two of one name are refused, and both places told."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from PIL import Image
from tina_datasets.caltech import Caltech101
from tina_datasets.folder import ImageFolder
from tina_datasets.mini_imagenet import MiniImageNet
from tina_datasets.options import Caltech101Options, ImageFolderOptions, MiniImageNetOptions

from tests.conftest import RECIPE, plan_of
from tina_kit.api import UserError


def folders(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(root / name / f"{index}.png")
    return root


def names(root: Path, table: str | bytes | None = None) -> list[str]:
    path = None
    if table is not None:
        path = root.parent / "names.tsv"
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return list(ImageFolder(ImageFolderOptions(root=root, names=path)).class_names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red_circle", "red circle"),
        ("Red_Circle", "red_circle"),
        ("red circle", "red  circle"),
        ("café", "cafe\u0301"),
    ],
)
def test_two_folders_of_one_name_are_refused(tmp_path: Path, one: str, other: str) -> None:
    root = folders(tmp_path / "images", one, other, "pear")
    with pytest.raises(UserError, match="are the same class name") as told:
        names(root)
    assert f"(folder {root / one})" in str(told.value)
    assert f"(folder {root / other})" in str(told.value)


def test_caltech_refuses_them_too(tmp_path: Path) -> None:
    root = folders(tmp_path / "caltech101/101_ObjectCategories", "Sea_Horse", "sea horse")
    with pytest.raises(UserError, match=rf"folder {root}/Sea_Horse.* are the same class name"):
        Caltech101(Caltech101Options(root=tmp_path)).class_names  # noqa: B018


def test_a_recipe_says_which_data_set(tmp_path: Path) -> None:
    folders(tmp_path / "images", "Ant", "ant")
    path = tmp_path / "mine.yaml"
    path.write_text(
        RECIPE.replace(
            "{use: shapes, train: 10, test: 5, size: 16}", "{use: image-folder, root: images}"
        )
    )
    with pytest.raises(UserError, match=r"mine\.yaml:2:.*: .*'Ant' .* and 'ant' .* are the same"):
        plan_of(path, tmp_path / "store").stages  # noqa: B018


def test_a_table_tells_folders_of_one_name_apart(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", "A", "a")
    assert names(root, "a\tsmall letter a\nA\tcapital letter A\n") == [
        "capital letter A",
        "small letter a",
    ]


def test_a_class_that_a_table_names_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", "n01", "n02")
    with pytest.raises(UserError, match=r"names\.tsv:4: n01 is named twice, first in line 1"):
        names(root, "n01\tfig\nn02\tpear\n\nn01\tplum\n")


@pytest.mark.parametrize("second", ["Crane", "crane, bird", "crane_", "\u200bcrane"])
def test_one_name_for_two_classes_is_refused_with_both_lines(tmp_path: Path, second: str) -> None:
    root = folders(tmp_path / "images", "n01", "n02")
    with pytest.raises(UserError, match=r"names\.tsv:1\) and .*names\.tsv:3\) are the same class"):
        names(root, f"n01\tcrane, machine\nn00\tunused\nn02\t{second}\n")


def test_names_of_classes_that_are_not_there_may_be_the_same(tmp_path: Path) -> None:
    """All of WordNet can be given for a few folders, and many of its names are no one's own."""
    root = folders(tmp_path / "images", "n01", "n02")
    assert names(root, "n01\tcrane\nn02\tpear\nn03\tcrane\nn04\tcrane\n") == ["crane", "pear"]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_with_a_byte_order_mark_is_read_right(
    tmp_path: Path, mark: bytes, end: str
) -> None:
    root = folders(tmp_path / "images", "n01", "n02")
    table = mark + f"n01\tgreen_apple, apple{end}n02 pear{end}".encode()
    assert names(root, table) == ["green apple", "pear"]


def test_a_name_with_a_comma_stands_in_quotes(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", "n01", "n02", "n03")
    table = 'n01\t"salt, pepper", spices\nn02\tpear\nn03\t5" disk, floppy\n'
    assert names(root, table) == ["salt, pepper", "pear", '5" disk']


def test_a_table_in_utf_16_is_told(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", "n01", "n02")
    with pytest.raises(UserError, match=r"names\.tsv: not UTF-8 text \(it is UTF-16\)"):
        names(root, "n01\tfig\nn02\tpear\n".encode("utf-16"))


def test_folders_are_found_in_either_unicode_form(tmp_path: Path) -> None:
    root = folders(tmp_path / "images", "cafe\u0301", "pear")
    assert names(root, "café\tcoffee house\npear\tfruit\n") == ["coffee house", "fruit"]


def test_mini_imagenet_refuses_one_name_for_two_wnids(tmp_path: Path) -> None:
    for split in ("train", "val"):
        folders(tmp_path / "mini_imagenet" / split, "n01", "n02")
    (tmp_path / "mini_imagenet" / "classes.tsv").write_text("n01\tmaillot\nn02\tMaillot, suit\n")
    with pytest.raises(UserError, match=r"classes\.tsv:1\) and 'Maillot' \(.*classes\.tsv:2\)"):
        MiniImageNet(MiniImageNetOptions(root=tmp_path)).class_names  # noqa: B018


ANY = """\
import torch
from tina_kit.api import Component, Dataset, Images, Options, hookimpl

class AnyOptions(Options):
    names: tuple[str, ...]

class Any(Dataset):
    def __init__(self, options):
        self.class_names = options.names

    class_names = ()

    def load(self, split):
        labels = torch.arange(len(self.class_names)).repeat(4)
        return Images(torch.zeros(len(labels), 3, 8, 8, dtype=torch.uint8), labels)

@hookimpl
def tina_kit_components():
    return [Component(kind="dataset", name="any", target=f"{__name__}:Any",
                      options=f"{__name__}:AnyOptions", summary="Any names.")]
"""


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("[fig, Fig, pear]", r"dataset: 'fig' \(label 0\) and 'Fig' \(label 1\) are the same"),
        ("[fig, '', pear]", r"dataset: '' \(label 1\) is an empty name"),
        ("[fig, '<->', pear]", "'<->' stands for an absent class and cannot name one"),
    ],
)
def test_the_core_checks_the_names_of_every_data_set(
    tmp_path: Path, listed: str, told: str
) -> None:
    (tmp_path / "any.py").write_text(ANY)
    text = RECIPE.replace(
        "{use: shapes, train: 10, test: 5, size: 16}", f"{{use: any, names: {listed}}}"
    )
    text = text.replace("{id: 12, ood: 6}", "{classes: 2, id: 1, ood: 1}")
    (tmp_path / "any.yaml").write_text(f"{text}plugins: [any.py]\n")
    with pytest.raises(UserError, match=told):
        for stage in plan_of(tmp_path / "any.yaml", tmp_path / "store").first:
            stage.ensure()
