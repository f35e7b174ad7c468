"""`tina-kit predict`: what a p-Model says about images, for readers and for programs."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image

import tina_kit
from tina_kit.cli.app import invoke


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("b.png", "a.png", "more/c.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (7 * ord(path.stem) % 256, 90, 20)).save(path)
    return tmp_path / "photos"


def call(*words: object) -> int:
    return invoke(["predict", *map(str, words)])


def test_a_table_names_every_image_of_a_folder(finished, model, photos, capsys) -> None:
    assert call(model, photos) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "class", "%"]
    assert [line.split()[0] for line in lines[2:]] == [
        str(photos / name) for name in ("a.png", "b.png", "more/c.png")
    ]


def test_json_and_csv_say_what_the_p_model_says(finished, model, photos, capsys) -> None:
    assert call(model, f"{photos}/*.png", "--top", 2, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    best = tina_kit.load(model).topk(photos / "a.png", 2)[0]
    assert [row["image"] for row in rows] == [str(photos / "a.png"), str(photos / "b.png")]
    assert [each["class"] for each in rows[0]["top"]] == [name for name, _ in best]
    assert [each["probability"] for each in rows[0]["top"]] == pytest.approx(
        [share for _, share in best]
    )
    [row] = tina_kit.predict(model, photos / "a.png", top=2)
    assert [each["class"] for each in row["top"]] == [name for name, _ in best]
    assert call(model, photos / "a.png", "--top", 9, "--csv") == 0
    [row] = csv.DictReader(StringIO(capsys.readouterr().out))
    assert row["class_1"] == best[0][0] and float(row["probability_3"]) < 0.5
    assert "class_4" not in row


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.png"], "none.png: this image cannot be read (there is no such file)"),
        (["*.gif"], "*.gif: no file matches this pattern"),
        ([".", "--json", "--csv"], "give either --json or --csv"),
        ([".", "--top", "0"], "--top"),
        ([".", "--device", "abacus"], "no such device"),
    ],
)
def test_mistakes_are_told(
    finished, model, tmp_path, monkeypatch, capsys, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(model, *words) == 2
    assert told in capsys.readouterr().err


def test_what_is_no_p_model_is_told(finished, photos, capsys) -> None:
    assert call(photos / "a.png", photos) == 2
    assert "cannot read a p-Model" in capsys.readouterr().err
