"""A folder's images, and what is none: nothing is opened, nothing hangs, nothing is lost unsaid."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tina_kit.api import UserError, content_kind, list_images
from tina_kit.api.image_files import is_service_folder

needs_links = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files on this system")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_images_below_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "c/d.tif", "c/e/f.webp", "B.png", "x.tar.png", "a.jfif")
    found = list_images(tmp_path)
    expected = ["B.png", "a.JPG", "a.jfif", "b.png", "c/d.tif", "c/e/f.webp", "x.tar.png"]
    assert (found.images, found.passed_over, found.irregular) == (expected, [], {})


def test_what_is_passed_over_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "notes.txt", "noend", "b/c.heic", "b/d.png", ".hidden.png")
    touch(tmp_path, "@eaDir/a.png/thumb.jpg", ".ipynb_checkpoints/a.png", "b/__MACOSX/._d.png")
    found = list_images(tmp_path)
    assert found.images == ["a.png", "b/d.png"]
    assert found.passed_over == [
        *(".hidden.png", ".ipynb_checkpoints/", "@eaDir/", "b/__MACOSX/", "b/c.heic", "noend"),
        "notes.txt",
    ]
    assert list_images(tmp_path, deep=False).passed_over == [
        *(".hidden.png", ".ipynb_checkpoints/", "@eaDir/", "b/", "noend", "notes.txt")
    ]


def test_what_systems_leave_beside_files_counts_as_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "._a.png", ".DS_Store", "Thumbs.db", "desktop.ini")
    assert list_images(tmp_path).passed_over == []


def test_a_folder_called_like_an_image_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "scan.tif/1.png", "scan.tif/2.png")
    (tmp_path / "x.png").mkdir()
    found = list_images(tmp_path)
    assert found.images == ["a.png", "scan.tif/1.png", "scan.tif/2.png"]
    assert found.passed_over == ["x.png/"]


def test_folders_can_be_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "old/b.png", "new/old/c.png")
    found = list_images(tmp_path, exclude=["old"])
    assert (found.images, found.passed_over) == (["a.png", "new/old/c.png"], [])


@needs_links
@pytest.mark.timeout(20)
def test_images_that_cannot_be_opened_are_known_by_why(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name, target in (("gone", "nowhere"), ("loop", "loop.png"), ("zero", "/dev/zero")):
        (tmp_path / f"{name}.png").symlink_to(target)
    (tmp_path / "link.png").symlink_to("a.png")
    found = list_images(tmp_path)
    assert found.images == ["a.png", "gone.png", "link.png", "loop.png", "pipe.png", "zero.png"]
    assert list(found.irregular) and set(found.irregular) == {
        *("gone.png", "loop.png", "pipe.png", "zero.png")
    }
    assert found.irregular["gone.png"] == "it is a broken link to nowhere"


@needs_links
@pytest.mark.timeout(20)
def test_links_to_folders_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/x.png", "elsewhere/y.png")
    for name, target in (("a/up", ".."), ("a/b/here", "."), ("a/other", "../elsewhere")):
        (tmp_path / name).symlink_to(target, target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to("../a", target_is_directory=True)
    found = list_images(tmp_path / "a")
    assert found.images == ["b/x.png", "other/y.png"]
    assert found.passed_over == ["b/here/", "other/back/", "up/"]


def test_hundreds_of_levels_are_listed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    top = Path("d")
    for _ in range(400):
        os.mkdir("d")
        os.chdir("d")
    Path("x.png").touch()
    monkeypatch.chdir(tmp_path)
    found = list_images(top)
    assert found.images == ["d/" * 399 + "x.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b/c.png")
    (tmp_path / "a.png").chmod(0)
    (tmp_path / "b").chmod(0)
    found = list_images(tmp_path)
    assert (found.irregular, found.passed_over) == ({"a.png": "permission denied"}, ["b/"])


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none: cannot list this folder"):
        list_images(tmp_path / "none")


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf\n <HTML>", "web page"),
        (b"<!-- saved --><html>", "web page"),
        (b"<?xml version='1.0'?><!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04", "ZIP archive"),
        (b"\x1f\x8b\x08", "gzip archive"),
        (b"%PDF-1.7", "PDF"),
        (bytes(9), "zero bytes"),
    ],
)
def test_what_a_file_holds_is_told_from_its_beginning(head: bytes, told: str) -> None:
    assert told in str(content_kind(head))
    assert content_kind(b"\xff\xd8\xff\xe0 a JPEG") is None


def test_service_folders_are_known_in_any_case() -> None:
    assert all(map(is_service_folder, ["__MACOSX", "@eaDir", "@EADIR", "$RECYCLE.BIN", ".git"]))
    assert not any(map(is_service_folder, ["macosx", "recycle", "ant"]))
