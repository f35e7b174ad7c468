"""`tina-kit generate`: which names are given, which are one class, and which the run has seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tina_kit
from tina_kit.cli.app import invoke


@pytest.fixture
def generate(finished, tmp_path: Path, capsys):
    """`generate(words)`: exit code, what was said on stderr, and the p-Model or None."""
    out = tmp_path / "mine.safetensors"

    def call(*words: str):
        out.unlink(missing_ok=True)
        code = invoke(["generate", str(finished[2]), "-o", str(out), *words])
        told = capsys.readouterr()
        assert told.out == "" and "Traceback" not in told.err
        return code, told.err, tina_kit.load(out) if out.is_file() else None

    return call


@pytest.mark.parametrize(
    "names",
    [
        ["red circle,Red Circle"],
        ["red circle,red  circle,blue star"],
        ["blue star,red_circle,red circle"],
        ["café,cafe\u0301"],
        ["red circle", "--class", "Red_Circle"],
        ["red circle", "--classes", "blue star,RED CIRCLE"],
    ],
)
def test_one_class_named_twice_is_refused_with_both_places(generate, names: list[str]) -> None:
    code, told, model = generate("--classes", *names)
    assert code == 2 and model is None and len(told.splitlines()) == 1
    assert "are the same class name" in told and "--classes, name" in told


@pytest.mark.parametrize("name", ["", " ", "\u200b", "\x07", "\x1b[31m", "a\x00b", "caf\udce9"])
def test_a_name_that_says_nothing_is_refused(generate, name: str) -> None:
    code, told, _ = generate("--classes", "red circle", "--class", name)
    assert code == 2 and "(--class, number 1) " in told
    assert told.strip("\n").isprintable()


def test_a_name_with_a_comma_is_one_class(generate) -> None:
    words = ("--class", "salt, pepper", "--class", "dog")
    code, told, model = generate(*words)
    assert code == 0 and model.classes == ("salt, pepper", "dog")
    assert "parameters by tina-dit for 'salt, pepper', dog\n" in told
    code, _, model = generate("--classes", "blue star, pear", *words)
    assert code == 0 and model.classes == ("blue star", "pear", "salt, pepper", "dog")
    code, told, _ = generate("--classes", '"salt, pepper", dog')
    assert code == 2 and "give a name that contains a comma or a quote with --class" in told


def test_classes_may_be_given_in_several_lists(generate) -> None:
    code, _, model = generate("--classes", "red circle, dog", "--classes", "blue star")
    assert code == 0 and model.classes == ("red circle", "dog", "blue star")


def test_another_spelling_of_a_class_is_that_class(generate) -> None:
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    for generator in ("tina-dit", "classifier-selection"):
        words = ("--generator", generator)
        _, _, plain = generate("--classes", "red circle, blue star", *words)
        code, told, model = generate("--classes", "Red_Circle, BLUE\u00a0STAR", *words)
        assert code == 0 and model.classes == ("Red_Circle", "BLUE STAR")
        assert torch.equal(model(images), plain(images))
        assert "seen in training: Red_Circle (the data set's red circle), BLUE STAR (the" in told


def test_every_class_is_told_whether_it_was_seen(generate) -> None:
    code, told, model = generate("--classes", "red circle, crimson disc, dog")
    assert code == 0
    lines = told.splitlines()
    assert lines[0] == "seen in training: red circle"
    assert lines[1].startswith("crimson disc: not seen in training; nearest seen classes: ")
    assert lines[2].startswith("dog: not seen in training; nearest seen classes: ")
    assert lines[3].startswith("warning: crimson disc (0.") and "dog (0." in lines[3]
    kept = model.metadata["seen"]
    assert kept["by"] == "text" and 0.4 < kept["limit"] < 0.8
    assert [c["name"] for c in kept["classes"] if c["seen"]] == ["red circle"]
    dog = kept["classes"][2]
    assert dog["known"] is None and len(dog["nearest"]) == 3
    assert kept["limit"] > dog["nearest"][0][1] >= dog["nearest"][1][1]


def test_a_similar_class_is_no_cause_for_a_warning(generate) -> None:
    code, told, _ = generate("--classes", "red circle, red circles, blue star")
    assert code == 0 and "warning" not in told
    assert "red circles: not seen in training; nearest seen classes: red circle (0." in told
    assert generate("--classes", "red circle, red circles", "--strict")[0] == 0


def test_strict_refuses_what_is_warned_of(generate) -> None:
    code, told, model = generate("--classes", "red circle, dog", "--strict")
    assert code == 2 and model is None and len(told.splitlines()) == 1
    assert told.startswith("error: dog (0.") and "ask without --strict" in told
    assert generate("--classes", "Red Circle, blue_star", "--strict")[0] == 0


def test_an_old_p_model_without_these_facts_is_read(generate, tmp_path: Path) -> None:
    model = generate("--classes", "red circle, dog")[2]
    del model.metadata["seen"]
    model.save(tmp_path / "old.safetensors")
    assert tina_kit.load(tmp_path / "old.safetensors").classes == ("red circle", "dog")
