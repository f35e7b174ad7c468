"""Folders of images as users have them: all that is no image of a class is named, with a remedy."""

from __future__ import annotations

import logging
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tina_datasets.caltech import FOLDER, Caltech101
from tina_datasets.cifar import Cifar100
from tina_datasets.files import warn_once
from tina_datasets.folder import ImageFolder
from tina_datasets.mini_imagenet import MiniImageNet
from tina_datasets.options import (
    Caltech101Options,
    CifarOptions,
    ImageFolderOptions,
    MiniImageNetOptions,
)

from tina_kit.api import UserError
from tina_kit.store import content_of

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")


@pytest.fixture(autouse=True)
def _told_anew() -> None:
    warn_once.cache_clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of five images."""
    folder = tmp_path / "imgs"
    for label, name in enumerate(("ant", "bee")):
        for index in range(5):
            write(folder / name / f"{index}.png", 100 * label + index)
    return folder


def write(path: Path, red: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (red, 0, 0)).save(path)
    return path


def images(root: Path, **options: object) -> ImageFolder:
    return ImageFolder(ImageFolderOptions(root=root, **options))  # type: ignore[arg-type]


def reds(dataset: ImageFolder) -> dict[str, list[int]]:
    """The images of each class in both splits, by their colour."""
    found: dict[str, list[int]] = {name: [] for name in dataset.class_names}
    for split in ("train", "test"):
        loaded = dataset.load(split)  # type: ignore[arg-type]
        for label, red in zip(loaded.labels.tolist(), loaded.images[:, 0, 0, 0].tolist()):
            found[dataset.class_names[label]].append(red)
    return {name: sorted(shades) for name, shades in found.items()}


def refused(dataset: ImageFolder | Caltech101 | MiniImageNet) -> str:
    with pytest.raises(UserError) as caught:
        list(dataset.class_names), dataset.files(), dataset.load("train"), dataset.load("test")
    return str(caught.value)


def told(dataset: ImageFolder | MiniImageNet, caplog) -> list[str]:
    dataset.files()
    return [record.message for record in caplog.records]


# What is read.


@pytest.mark.parametrize("suffix", [".tif", ".jfif", ".avif", ".TIFF", ".jpe", ".ppm", ".jp2"])
def test_images_of_every_suffix_are_read(root: Path, suffix: str) -> None:
    try:
        write(root / "ant" / f"more{suffix}", 90)
    except (OSError, ValueError, KeyError):
        pytest.skip(f"this Pillow writes no {suffix}")
    assert len(reds(images(root))["ant"]) == 6


def test_images_in_folders_of_a_class_are_its_images(root: Path, caplog) -> None:
    write(root / "ant" / "2019" / "a.png", 90)
    write(root / "ant" / "2020" / "may" / "a.png", 91)
    dataset = images(root)
    assert reds(dataset)["ant"] == [0, 1, 2, 3, 4, 90, 91]
    assert "ant/2020/may/a.png" in dataset.files()
    assert told(dataset, caplog) == []


def test_16_bit_and_transparent_images_are_read_right(root: Path) -> None:
    Image.fromarray(np.full((8, 8), 25700, np.uint16)).save(root / "ant" / "deep.png")
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(root / "ant" / "clear.png")
    assert reds(images(root))["ant"] == [0, 1, 2, 3, 4, 100, 255]


# What is passed over.


def test_what_is_passed_over_is_named_once_for_each_class(root: Path, caplog) -> None:
    (root / "ant" / "notes.txt").touch()
    for index in range(7):
        (root / "bee" / f"{index}.heic").touch()
    (root / "bee" / "@eaDir" / "0.png").mkdir(parents=True)
    for _ in range(3):
        lines = told(images(root), caplog)
    assert len(lines) == 2
    assert lines[0].endswith("ant: skipped 1 entry that is not an image: notes.txt")
    assert lines[1].endswith("0.heic, 1.heic, 2.heic, 3.heic, 4.heic, and 3 more")
    assert "bee: skipped 8 entries that are not images: " in lines[1]


def test_of_many_classes_the_rest_is_counted(tmp_path: Path, caplog) -> None:
    for index in range(23):
        for number in range(2):
            write(tmp_path / f"{index:02}" / f"{number}.png")
        (tmp_path / f"{index:02}" / "a.txt").touch()
    lines = told(images(tmp_path), caplog)
    assert len(lines) == 21 and lines[-1].endswith(": skipped 3 such entries of 3 more classes")


def test_what_lies_beside_the_classes_is_named(root: Path, caplog) -> None:
    write(root / "stray.png")
    (root / "README.md").touch()
    (root / "cat").symlink_to("/nowhere/cat")
    (root / "dog").symlink_to(".")
    lines = told(images(root), caplog)
    assert "skipped entries next to the class folders: stray.png" in lines[0]
    assert "skipped 2 broken or circular links: cat, dog" in lines[1]
    assert len(lines) == 2


def test_a_third_split_is_named(tmp_path: Path, caplog) -> None:
    for split in ("train", "val", "test"):
        for name in ("a", "b"):
            write(tmp_path / split / name / "x.png")
    (tmp_path / "__MACOSX").mkdir()
    write(tmp_path / "train" / "stray.png")
    lines = told(images(tmp_path), caplog)
    assert lines == [
        f"{tmp_path / 'train'}: skipped entries next to the class folders: stray.png",
        f"{tmp_path}: skipped entries next to train/ and test/: val/, __MACOSX/",
    ]


def test_the_command_line_shows_it_in_one_line_on_stderr(root: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    (root / "ant" / "notes.txt").touch()
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ndataset: {use: image-folder, root: imgs}\ntasks: {classes: 2, id: 1, ood: 1}\n"
        "architecture: {use: cnn}\nconditioner: {use: hashed-ngrams}\ngeneric: {epochs: 1}\n"
        "finetune: {epochs: 1}\nseeds: [0, 1]\ngenerators: [{use: generic}]\n"
    )
    command = [sys.executable, "-m", "tina_kit", "run", str(recipe), "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "notes.txt" in line]
    assert len(lines) == 1 and "ant: skipped 1 entry" in lines[0]


# What stands where classes should.


def test_service_folders_are_no_classes_and_named(root: Path, caplog) -> None:
    for name in ("__MACOSX", "@eaDir"):
        write(root / name / "x.png")
    dataset = images(root)
    assert list(dataset.class_names) == ["ant", "bee"]
    [line] = told(dataset, caplog)
    assert (
        "skipped @eaDir, __MACOSX (a system" in line or "skipped __MACOSX, @eaDir (a system" in line
    )
    assert "`exclude: [" in line and '"@eaDir"' in line and "__MACOSX" in line
    caplog.clear()
    assert told(images(root, exclude=["@eaDir", "__MACOSX"]), caplog) == []


def test_a_doubled_root_is_told_with_the_right_one(root: Path) -> None:
    inner = root / "imgs"
    inner.mkdir()
    for name in ("ant", "bee"):
        (root / name).rename(inner / name)
    (root / "__MACOSX").mkdir()
    message = refused(images(root))
    assert f"contains only one folder, imgs/, and {inner} contains ant/, bee/" in message
    assert f"set `root: {inner}`" in message
    assert f"set `root: {inner}`" in refused(images(root.parent))


def test_a_copy_of_all_classes_among_them_is_told(root: Path) -> None:
    write(root / "cat" / "0.png")
    write(root / "cat" / "1.png")
    for name in ("ant", "bee", "cat"):
        write(root / "imgs" / name / "0.png")
    message = refused(images(root))
    assert (
        f"{root / 'imgs'} contains folders named like all other classes, ant, bee, cat" in message
    )
    assert list(images(root, exclude=["imgs"]).class_names) == ["ant", "bee", "cat"]


def test_a_root_that_is_a_class_is_told(root: Path) -> None:
    message = refused(images(root / "ant"))
    assert "contains images, but no class folders" in message
    assert f"set `root: {root}`" in message


def test_folders_above_the_classes_are_told(tmp_path: Path, caplog) -> None:
    for group in ("birds", "fish"):
        for name in ("a", "b"):
            write(tmp_path / group / name / "x.png")
    [line] = told(images(tmp_path), caplog)
    assert "birds, fish contain images only in subfolders (a, b). If those are the" in line


@pytest.mark.parametrize(
    ("folders", "advice"),
    [
        (("Train", "Test"), ("mv ROOT/Train ROOT/train", "mv ROOT/Test ROOT/test")),
        (("train", "valid"), ("mv ROOT/valid ROOT/val",)),
        (("training", "testing"), ("mv ROOT/training ROOT/train", "mv ROOT/testing ROOT/test")),
        (("train",), ("set `root: ROOT/train`",)),
        (("test", "val"), ("Either provide both train/ and test/ (or val/)",)),
    ],
)
def test_splits_of_another_name_are_no_classes(tmp_path: Path, folders, advice) -> None:
    for split in folders:
        for name in ("a", "b"):
            write(tmp_path / split / name / "x.png")
    message = refused(images(tmp_path))
    assert "look like splits, not classes" in message
    assert all(line.replace("ROOT", str(tmp_path)) in message for line in advice)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "bus"):
        for index in range(2):
            write(tmp_path / name / f"{index}.png")
    assert list(images(tmp_path).class_names) == ["bus", "train"]


def test_a_root_in_another_spelling_is_told(root: Path) -> None:
    assert "but imgs/ exists" in refused(images(root.parent / "Imgs"))
    assert "there is no such folder of images" in refused(images(root.parent / "other"))
    (root.parent / "link").symlink_to("nowhere")
    assert "it is a broken link to nowhere" in refused(images(root.parent / "link"))


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"PK\x03\x04", "is still packed. Unpack it:\n  unzip"),
        (b"<!DOCTYPE html>", "is not an archive: it is a web page. Remove it, download it again"),
        (b"", "is not an archive: it is empty"),
    ],
)
def test_an_archive_in_place_of_a_folder_is_told(tmp_path: Path, content, advice) -> None:
    (tmp_path / "imgs.zip").write_bytes(content)
    assert advice in refused(images(tmp_path / "imgs.zip"))
    assert advice in refused(images(tmp_path))


# Classes without images.


def test_all_classes_without_images_are_told_at_once(root: Path) -> None:
    (root / "cat").mkdir()
    (root / "red dog").mkdir()
    (root / "red dog" / "a.txt").touch()
    message = refused(images(root))
    assert f"{root / 'cat'} is empty" in message
    assert f"{root / 'red dog'} contains no images, only a.txt" in message
    assert 'leave out: `exclude: [cat, "red dog"]`' in message
    assert list(images(root, exclude=["cat", "red dog"]).class_names) == ["ant", "bee"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_without_images_in_one_split_is_told(tmp_path: Path, split: str) -> None:
    for place in ("train/a", "train/b", "test/a", "test/b"):
        write(tmp_path / place / "x.png")
    (tmp_path / split / "b" / "x.png").unlink()
    message = refused(images(tmp_path))
    assert f"{tmp_path / split / 'b'} is empty" in message and "in both splits" in message


def test_splits_of_different_classes_say_which_lacks_what(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "train/d", "test/a", "test/c", "test/d"):
        write(tmp_path / place / "x.png")
    message = refused(images(tmp_path))
    assert "the classes of the two splits differ: b, c (train/ lacks c; test/ lacks b)" in message
    assert list(images(tmp_path, exclude=["b", "c"]).class_names) == ["a", "d"]


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_two_images_are_enough_for_both_splits(tmp_path: Path, fraction, count) -> None:
    for name in ("a", "b"):
        for index in range(count):
            write(tmp_path / name / f"{index}.png")
    dataset = images(tmp_path, test_fraction=fraction)
    train, test = (torch.bincount(dataset.load(s).labels) for s in ("train", "test"))
    assert (train + test).tolist() == [count] * 2 and min(*train.tolist(), *test.tolist()) >= 1


def test_classes_of_one_image_are_told_at_once(root: Path) -> None:
    for name in ("cat", "dog"):
        write(root / name / "x.png")
    message = refused(images(root))
    assert "too few images to split into training and test images in cat, dog" in message
    assert "`exclude: [cat, dog]`" in message


# What is left out.


def test_the_first_images_of_each_class_are_read_on_request(root: Path) -> None:
    every, few = images(root), images(root, images_per_class=2)
    for split, count in (("train", 2), ("test", 1)):  # a class has four and one
        wanted = every.load(split)  # type: ignore[arg-type]
        loaded = few.load(split)  # type: ignore[arg-type]
        assert loaded.labels.tolist() == [0] * count + [1] * count
        for label in (0, 1):
            first = wanted.images[wanted.labels == label][:count]
            assert torch.equal(loaded.images[loaded.labels == label], first)
    assert set(few.files()) < set(every.files()) and few.fingerprint() != every.fingerprint()


def test_a_damaged_image_that_is_not_among_the_first_refuses_nothing(root: Path) -> None:
    last = [name for name in images(root).files() if name.startswith("ant/")][3]
    (root / last).write_bytes(b"no image")
    assert "cannot be read" in refused(images(root))
    assert len(images(root, images_per_class=2).load("train").labels) == 4


def test_excluded_folders_are_not_read(root: Path, caplog) -> None:
    write(root / "cat" / "x.png")
    write(root / "ant" / "old" / "x.png", 90)
    dataset = images(root, exclude=["cat", "ant/old/"])
    assert reds(dataset) == {"ant": [0, 1, 2, 3, 4], "bee": [100, 101, 102, 103, 104]}
    assert told(dataset, caplog) == []


@pytest.mark.parametrize("name", ["cat", "ant/old", "..", "", "ant/.."])
def test_an_exclusion_without_effect_is_refused(root: Path, name: str) -> None:
    message = refused(images(root, exclude=[name]))
    assert message == f"exclude: {root} has no folder {name.strip('/')!r}; it contains ant, bee"


def test_excluding_changes_the_key_by_what_is_read_alone(root: Path) -> None:
    def known(**options: object) -> str:
        dataset = images(root, **options)
        return content_of(dataset.files()) + dataset.fingerprint()

    before = known()
    write(root / "cat" / "0.png")
    write(root / "cat" / "1.png")
    assert known() != before == known(exclude=["cat"])


def damage(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:40])
    return str(path)


@needs_pipes
@pytest.mark.timeout(30)
def test_all_unreadable_images_of_both_splits_are_told_at_once(root: Path) -> None:
    broken = [damage(root / "ant" / f"{index}.png") for index in range(5)]
    os.mkfifo(root / "bee" / "pipe.png")
    (root / "bee" / "gone.png").symlink_to("nowhere")
    (root / "bee" / "loop.png").symlink_to("loop.png")
    message = refused(images(root))
    assert message.startswith("8 images cannot be read. Set `skip_damaged: true`, or replace or")
    for path in (*broken, root / "bee" / "pipe.png", root / "bee" / "gone.png"):
        assert f"{path}: " in message
    assert "it is a named pipe, not a regular file" in message


@needs_pipes
@pytest.mark.timeout(30)
def test_damaged_images_can_be_left_out_and_are_counted(root: Path) -> None:
    damage(root / "ant" / "2.png")
    os.mkfifo(root / "bee" / "pipe.png")
    dataset = images(root, skip_damaged=True)
    assert reds(dataset) == {"ant": [0, 1, 3, 4], "bee": [100, 101, 102, 103, 104]}
    left_out = [*dataset.load("train").left_out, *dataset.load("test").left_out]
    assert sorted(line.split(":")[0] for line in left_out) == ["ant/2.png", "bee/pipe.png"]
    assert "bee/pipe.png: it is a named pipe, not a regular file" in left_out


def test_larger_images_are_those_that_were_not_left_out(root: Path) -> None:
    damage(root / "ant" / "1.png")
    dataset = images(root, size=8, skip_damaged=True)
    train = dataset.load("train").images
    index = torch.arange(len(train))
    for each in (dataset, images(root, size=8, skip_damaged=True)):
        assert torch.equal(each.load_larger(index, 16)[:, 0, 0, 0], train[:, 0, 0, 0])


def test_a_run_that_refuses_shares_no_result_with_one_that_leaves_out(root: Path) -> None:
    def known(**options: object) -> str:
        dataset = images(root, **options)
        return content_of(dataset.files()) + dataset.fingerprint()

    plain = known()
    assert known(skip_damaged=True) != plain
    (root / "ant" / "gone.png").symlink_to("nowhere")
    assert len({plain, known(), known(skip_damaged=True)}) == 3


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_not_utf_8_are_read(root: Path) -> None:
    source = (root / "ant" / "0.png").read_bytes()
    with open(os.fsencode(root / "ant") + b"/\xff\xfe.png", "wb") as file:
        file.write(source)
    dataset = images(root)
    assert len(content_of(dataset.files())) == 64 and len(reds(dataset)["ant"]) == 6


# Known data sets.


def caltech(root: Path, **options: object) -> Caltech101:
    return Caltech101(Caltech101Options(root=root, **options))  # type: ignore[arg-type]


def categories(folder: Path) -> Path:
    for name in ("Faces", "ant"):
        for index in range(2):
            write(folder / name / f"{index}.png")
    return folder


@pytest.mark.parametrize("spelling", ["caltech-101", "Caltech101", "Caltech 101", "CALTECH_101"])
def test_caltech_in_another_spelling_is_told(tmp_path: Path, spelling: str) -> None:
    categories(tmp_path / spelling / "101_ObjectCategories")
    message = refused(caltech(tmp_path))
    assert f"{tmp_path} contains {spelling}/ instead of caltech101/" in message
    quoted = f"'{tmp_path / spelling}'" if " " in spelling else str(tmp_path / spelling)
    assert f"mv {quoted} {tmp_path / 'caltech101'}" in message


def test_caltech_a_folder_too_deep_or_too_high_is_told(tmp_path: Path) -> None:
    categories(tmp_path / "data" / FOLDER)
    for part in ("caltech101", FOLDER):
        message = refused(caltech(tmp_path / "data" / part))
        assert f"is too deep; set TINA_KIT_DATA (or `root`) to {tmp_path / 'data'}" in message
    message = refused(caltech(tmp_path))
    assert f"{tmp_path / 'data'} contains it; set TINA_KIT_DATA (or `root`)" in message


def test_caltech_elsewhere_is_linked(tmp_path: Path) -> None:
    folder = categories(tmp_path / "pictures" / "101_ObjectCategories")
    for root in (folder, folder.parent):
        message = refused(caltech(root))
        assert "mkdir -p DIR" in message and f"ln -s {root} DIR/caltech101" in message


def test_caltech_in_a_doubled_folder_is_told(tmp_path: Path) -> None:
    categories(tmp_path / "caltech101" / FOLDER)
    assert f"mv {tmp_path / FOLDER.split('/')[0]}/caltech101/* " in refused(caltech(tmp_path))


def test_caltech_still_packed_is_told(tmp_path: Path) -> None:
    archive = tmp_path / "caltech101" / "101_ObjectCategories.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz"):
        pass
    message = refused(caltech(tmp_path))
    assert f"{archive} is still packed" in message
    assert f"mkdir -p DIR/caltech101 && tar -xzf {archive} -C DIR/caltech101" in message
    archive.write_text("<html><body>Google Drive - Virus scan warning")
    assert f"{archive} is not an archive: it is a web page" in refused(caltech(tmp_path))


def test_caltech_leaves_out_what_is_excluded(tmp_path: Path) -> None:
    folder = categories(tmp_path / FOLDER)
    write(folder / "BACKGROUND_Google" / "x.png")
    write(folder / "Faces_easy" / "x.png")
    assert caltech(tmp_path, exclude=["Faces_easy"]).class_names == ["faces", "ant"]


@pytest.mark.parametrize("kind", ["mini", "cifar"])
def test_a_web_page_saved_as_an_archive_is_told(tmp_path: Path, kind: str) -> None:
    name = {"mini": "mini_imagenet.tar.xz", "cifar": "cifar-100-python.tar.gz"}[kind]
    (tmp_path / name).write_text("<!doctype html>")
    with pytest.raises(UserError, match=f"{name} is not an archive: it is a web page") as caught:
        if kind == "mini":
            MiniImageNet(MiniImageNetOptions(root=tmp_path)).files()
        else:
            Cifar100(CifarOptions(root=tmp_path)).load("train")
    assert "download it again" in str(caught.value)


@pytest.mark.parametrize("spelling", ["mini-imagenet", "MiniImageNet"])
def test_mini_imagenet_in_another_spelling_is_told(tmp_path: Path, spelling: str) -> None:
    (tmp_path / spelling).mkdir()
    message = refused(MiniImageNet(MiniImageNetOptions(root=tmp_path)))
    assert f"mv {tmp_path / spelling} {tmp_path / 'mini_imagenet'}" in message


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    for number, table in enumerate(("train", "val", "test")):
        rows = [f"n0{number}_{index}.png,n0{number}" for index in range(3)]
        for row in rows:
            write(tmp_path / "images" / row.split(",")[0])
        (tmp_path / f"{table}.csv").write_text("filename,label\n" + "\n".join(rows) + "\n")
    (tmp_path / "classes.tsv").write_text("n00\tant\nn01\tbee\nn02\tcat\n")
    return tmp_path


def mini(root: Path, **options: object) -> MiniImageNet:
    return MiniImageNet(MiniImageNetOptions(root=root, **options))  # type: ignore[arg-type]


def test_tables_take_the_same_options(tables: Path, caplog) -> None:
    dataset = mini(tables, exclude=["n01"])
    assert list(dataset.class_names) == ["ant", "cat"] and len(dataset.files()) == 6
    assert "no class n09" in refused(mini(tables, exclude=["n09"]))
    damage(tables / "images" / "n00_1.png")
    assert "n00_1.png: this image cannot be read" in refused(mini(tables))
    dataset = mini(tables, skip_damaged=True)
    left_out = [*dataset.load("train").left_out, *dataset.load("test").left_out]
    assert [line.split(":")[0] for line in left_out] == ["images/n00_1.png"]
    write(tables / "images" / "other.png")
    assert "skipped 1 files that no table lists: other.png" in told(mini(tables), caplog)[0]


@needs_pipes
@pytest.mark.timeout(30)
def test_a_pipe_called_like_an_archive_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "imgs.zip")
    assert "it is a named pipe" in refused(images(tmp_path))
    (tmp_path / "caltech101").mkdir()
    os.mkfifo(tmp_path / "caltech101" / "101_ObjectCategories.tar.gz")
    assert "it is a named pipe" in refused(caltech(tmp_path))


@needs_pipes
@pytest.mark.timeout(30)
def test_pipes_in_tables_are_named(tables: Path) -> None:
    path = tables / "images" / "n00_1.png"
    path.unlink()
    os.mkfifo(path)
    assert f"{path}: this image cannot be read (it is a named pipe" in refused(mini(tables))


def test_the_log_is_the_kits(root: Path) -> None:
    """So that whoever shows the kit's warnings shows these."""
    (root / "ant" / "notes.txt").touch()
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    handler = Keep()
    logging.getLogger("tina_kit").addHandler(handler)
    try:
        images(root).files()
    finally:
        logging.getLogger("tina_kit").removeHandler(handler)
    assert len(seen) == 1
