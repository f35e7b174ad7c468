"""`tina-kit generate --images`: one image a class in place of names."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import tina_kit
from tests.conftest import RECIPE, plan_of
from tina_kit.cli.app import invoke
from tina_kit.pipeline.run import Run

CLIP = (
    "conditioner: {use: open-clip, model: mini-clip, weights: random}\n"
    "tasks: {id: 4, ood: 2}\nevaluation: {id_tasks: 0}\n"
)


def folder_of(parent: Path, *names: str) -> Path:
    folder = parent / "images"
    folder.mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (20, 10), (50 * number, 9, 99)).save(folder / name)
    return folder


def refusal(capsys, run: Path, *words: object) -> str:
    out = run.parent / "never.safetensors"
    assert invoke(["generate", str(run), "-o", str(out), *map(str, words)]) == 2
    assert not out.exists()
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    return told


def test_image_files_name_the_classes_and_prompt_for_them(capsys, tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    lines = [x for x in RECIPE.splitlines() if x.split(":")[0] not in CLIP.replace("\n", ":")]
    text = "\n".join(lines) + "\n" + CLIP
    (tmp_path / "clip.yaml").write_text(text)
    run = Run.start(plan_of(tmp_path / "clip.yaml", tmp_path / "store"), tmp_path / "r", [])
    run.execute()
    folder = folder_of(tmp_path, "red_circle.PNG", "a_cat.jfif", "Zebra.webp", "m.bmp", "n.tif")
    (folder / "notes.txt").write_text("no image")
    (folder / "._m.bmp").write_bytes(b"what some systems leave beside a file")
    out = tmp_path / "p.safetensors"
    assert invoke(["generate", str(run.folder), "--images", str(folder), "-o", str(out)]) == 0
    assert "images: skipped 1 entry that is not an image: notes.txt" in capsys.readouterr().err
    model = tina_kit.load(out)
    assert model.classes == ("Zebra", "a cat", "m", "n", "red circle")
    assert model.metadata["prompts"] == "image"
    (folder / "m.bmp").write_bytes(b"no image")
    capsys.readouterr()
    assert "m.bmp: this image cannot be read" in refusal(capsys, run.folder, "--images", folder)
    (folder / "m.bmp").unlink()
    (folder / "m.bmp").symlink_to("m.bmp")
    assert "it is a circular link" in (refusal(capsys, run.folder, "--images", folder))


def test_exactly_one_kind_of_prompt_is_given(capsys, tmp_path: Path) -> None:
    assert "give either --classes or --images" in refusal(capsys, tmp_path)
    both = ("--classes", "a, b", "--images", tmp_path)
    assert "give either --classes or --images" in refusal(capsys, tmp_path, *both)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "but contains 0"),
        (("a.png",), "but contains 1"),
        (
            ("red_circle.png", "red circle.jpg"),
            "'red circle' (red circle.jpg) and 'red circle' (red_circle.png) are the",
        ),
        (("a.gif", "a.png", "b.png"), "'a' (a.gif) and 'a' (a.png) are the same"),
    ],
)
def test_folders_that_do_not_name_classes_are_told(capsys, tmp_path, names, told) -> None:
    folder = folder_of(tmp_path, *names)
    assert told in refusal(capsys, tmp_path, "--images", folder)
    nowhere = folder / "nowhere"
    assert "no such folder" in refusal(capsys, tmp_path, "--images", nowhere)


def test_a_run_whose_conditioner_sees_nothing_says_what_does(capsys, finished, tmp_path) -> None:
    folder = folder_of(tmp_path, "a.png", "b.png")
    told = refusal(capsys, finished[2], "--images", folder)
    assert "accepts only text prompts; open-clip also accepts images" in told
