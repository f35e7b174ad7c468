"""A bundle answers anywhere what its run answers, and a wrong one is refused in one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import tina_kit
from tests.conftest import RECIPE
from tina_kit.api import UserError
from tina_kit.cli.app import invoke
from tina_kit.zoo.bundle_file import LARGEST_JSON

NAMES = ["red circle", "a blue whale", "grey star"]
ALONE = """
import sys, tina_kit
generator = tina_kit.load_generator(sys.argv[1])
generator.generate(sys.argv[3:]).save(sys.argv[2])
assert "tina_datasets.shapes" not in sys.modules
"""


@pytest.fixture(scope="module")
def bundled(finished, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny.tina"
    assert invoke(["bundle", str(finished[2]), "-o", str(path), "--licence", "free to use"]) == 0
    return path


def test_alone_it_makes_the_same_p_models(finished, bundled, tmp_path: Path) -> None:
    """In a process with no store, no data and no network: from another folder, with the file
    alone."""
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "copy.tina").write_bytes(bundled.read_bytes())
    environment = {
        **os.environ,
        "TINA_KIT_STORE": str(tmp_path / "none"),
        "TINA_KIT_DATA": str(tmp_path / "none"),
        "HF_HUB_OFFLINE": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    words = [sys.executable, "-c", ALONE, "copy.tina", "mine.safetensors", *NAMES]
    subprocess.run(words, cwd=here, env=environment, check=True)
    model = tina_kit.open_run(finished[2]).generator("tina-dit").generate(NAMES)
    assert (here / "mine.safetensors").read_bytes() == model.content()
    assert model.info["expected"] is not None
    assert not (tmp_path / "none").exists()


def test_the_command_takes_a_bundle_as_a_run_folder(finished, bundled, tmp_path, capsys) -> None:
    classes = ["--classes", ", ".join(NAMES)]
    for source, name in ((finished[2], "a"), (bundled, "b")):
        words = ["generate", str(source), *classes, "-o", str(tmp_path / f"{name}.safetensors")]
        assert invoke(words) == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert "a blue whale: not seen in training; nearest seen classes" in capsys.readouterr().err
    many = tina_kit.load_generator(bundled).generate([NAMES, NAMES[::-1], NAMES[:2]])
    assert [model.classes for model in many] == [tuple(NAMES), tuple(NAMES[::-1]), tuple(NAMES[:2])]


@pytest.mark.parametrize("name", ["classifier-selection", "tina-dit"])
def test_every_generator_that_answers_others_can_be_bundled(finished, tmp_path, name: str) -> None:
    run = tina_kit.open_run(finished[2])
    done = tina_kit.bundle(run, tmp_path / "x.tina", generator=name)
    assert done.generator == name and done.size == (tmp_path / "x.tina").stat().st_size
    names = run.experiment().class_names[3:9]
    expected = run.generator(name).generate(names)
    assert tina_kit.load_generator(done.path).generate(names).content() == expected.content()


def test_a_generator_that_needs_the_run_is_refused(finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="oracle answers only the run's own tasks"):
        tina_kit.bundle(finished[2], tmp_path / "x.tina", generator="oracle")
    assert not (tmp_path / "x.tina").exists()


def test_the_same_run_gives_the_same_bytes_and_a_card(finished, bundled, tmp_path: Path) -> None:
    tina_kit.bundle(finished[2], tmp_path / "again.tina", licence="free to use")
    assert (tmp_path / "again.tina").read_bytes() == bundled.read_bytes()
    with zipfile.ZipFile(bundled) as archive:
        card = archive.read("README.md").decode()
        text = archive.read("bundle.json").decode()
    assert "licence of the data: free to use" in card and "| tina-dit |" in card
    assert "expected p-Acc" in card and "red circle" in card
    assert str(finished[1]) not in card + text and str(finished[2]) not in card + text


@pytest.mark.slow
def test_what_a_trained_conditioner_and_an_inherited_row_need_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "learned.yaml"
    text = RECIPE.replace(
        "conditioner: {use: hashed-ngrams}",
        "conditioner: {use: mini-clip, weights: train, steps: 2, batch_size: 8}",
    )
    path.write_text(text, encoding="utf-8")
    run = tina_kit.run(path, output=tmp_path / "runs", observers=[])
    done = tina_kit.bundle(run, tmp_path / "x.tina")
    expected = run.generator().generate(NAMES)
    found = tina_kit.load_generator(done.path)
    assert found.generate(NAMES).content() == expected.content()
    with zipfile.ZipFile(done.path) as archive:
        assert any(name.startswith("conditioner/") for name in archive.namelist())
    assert done.notes == ()
    assert tina_kit.load_generator(done.path, prompts="image").prompts == "image"


# What is wrong with a file.


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        tina_kit.load_generator(path).generate(NAMES)
    told = str(caught.value)
    assert "Traceback" not in told and "\x1b" not in told and "\n" not in told.rstrip()
    return told


def test_a_cut_or_damaged_file_is_refused(bundled, tmp_path: Path) -> None:
    whole, path = bundled.read_bytes(), tmp_path / "x.tina"
    for part in (0, 1, 100, len(whole) // 3, len(whole) - 30, len(whole) - 1):
        path.write_bytes(whole[:part])
        refused(path)
    for place in range(60, len(whole), len(whole) // 40):
        altered = bytearray(whole)
        altered[place] ^= 0x55
        path.write_bytes(altered)
        assert "x.tina" in refused(path)


def rewritten(
    bundled: Path,
    path: Path,
    change: Callable[[dict[str, Any]], None] = lambda manifest: None,
    replace: dict[str, bytes | None] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """With another manifest, and other members in place of some."""
    with zipfile.ZipFile(bundled) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content["bundle.json"])
    change(manifest)
    content["bundle.json"] = json.dumps(manifest).encode()
    whole = {**content, **(replace or {})}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in whole.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def setting(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = to

    return change


DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
THRESHOLD = {
    **{"classes": 3, "score": "largest logit", "threshold": -1.5, "target": 5.0, "tasks": 4},
    **{"own_rejected": 6.0, "foreign_accepted": 50.0, "on": "test", "measured": 4, "split": "ood"},
}
CHANGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another format": (setting("format", to="a zoo"), "not a tina-kit bundle"),
    "a newer one": (setting("version", to=2), "has format 2, .* install a newer tina-kit"),
    "no version": (setting("version", to=None), "not a tina-kit bundle"),
    "a class twice": (setting("classes", to=["a", "A"]), "the same class name"),
    "few classes": (setting("classes", to=["a", "b"]), "fewer classes than it says elsewhere"),
    "no classes": (setting("classes", to=[]), "classes: List should have at least 2"),
    "an index below 0": (setting("seen", to=[-1]), "seen.0: Input should be greater"),
    "an index too high": (setting("learned", to=[10**9]), "fewer classes than"),
    "other seen classes": (setting("seen", to=[0, 1]), r"conditions.seen is not float32 \(2, "),
    "a class seen twice": (setting("seen", to=[0, 0]), "seen twice"),
    "another width": (setting("width", to=7), "is not float32"),
    "huge tasks": (setting("task_classes", to=10**9), "fewer classes than"),
    "huge images": (setting("image_size", to=[10**9, 3]), "image_size"),
    "another architecture": (setting("architecture", to={"use": "resnet20"}), "generic model"),
    "an unknown one": (setting("architecture", to={"use": "x/y"}), "architecture is not available"),
    "wide layers": (setting("architecture", "widths", to=[4, 6000]), "generic model"),
    "a huge network": (setting("generator", "component", "hidden_size", to=4096), "generator"),
    "odd options": (setting("generator", "component", "depth", to=DEEP), "generator"),
    "another folder": (setting("generator", "folder", to="../.."), "folder: String should match"),
    "no folder": (setting("generator", "folder", to=None), "has learned is missing"),
    "a folder that is not there": (setting("generator", "folder", to="generators/7"), "generator"),
    "another conditioner": (
        setting("conditioner", to={"use": "hashed-ngrams", "width": 16}),
        "its conditioner gives 16 numbers",
    ),
    "two thresholds": (
        setting("generator", "rejection", to=[THRESHOLD, THRESHOLD]),
        "its thresholds are not in order",
    ),
    "a threshold that is none": (
        setting("generator", "rejection", to=[THRESHOLD | {"threshold": "low"}]),
        "generator.rejection.0.threshold: Input should be a valid number",
    ),
    "a missing plugin": (
        setting("needs", to=[{"kind": "study", "name": "x/y", "version": 1, "origin": "x 1.2"}]),
        "the study x/y of x 1.2",
    ),
    "a server": (
        setting("conditioner", "endpoint", to="http://example.com/spy"),
        "sends class names to the server http://example.com/spy.* --trust",
    ),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_hostile_manifest_is_refused(bundled, tmp_path: Path, what: str) -> None:
    import re

    change, told = CHANGED[what]
    path = rewritten(bundled, tmp_path / "x.tina", change)
    with pytest.raises(UserError) as caught:
        tina_kit.load_generator(path).generate(NAMES)
    assert re.search(told, str(caught.value), re.S), str(caught.value)


def test_another_version_of_a_component_is_told(bundled, tmp_path: Path, capsys) -> None:
    def older(manifest: dict[str, Any]) -> None:
        manifest["needs"][0]["version"] += 1

    tina_kit.load_generator(rewritten(bundled, tmp_path / "x.tina", older))
    assert "p-Models may differ" in capsys.readouterr().err


def with_tensors(bundled: Path, name: str, change: Callable[[dict[str, Any]], None]) -> bytes:
    with zipfile.ZipFile(bundled) as archive:
        tensors = load(archive.read(name))
    change(tensors)
    return save(tensors)


def test_hostile_members_are_refused(bundled, tmp_path: Path) -> None:
    path = tmp_path / "x.tina"
    for members, told in (
        ({"tensors.safetensors": None}, "it has no tensors.safetensors"),
        ({"bundle.json": None}, "it has no bundle.json"),
        ({"bundle.json": b"[" * 100_000}, "bundle.json|nested"),
        ({"../evil.json": b"{}"}, "members that no bundle has: ../evil.json"),
        ({"/evil.json": b"{}"}, "members that no bundle has"),
        ({"generators/0/x.py": b"", "generators/0/../x": b""}, "members that no bundle has"),
        ({f"generators/0/{n}.json": b"" for n in range(1001)}, "too many members"),
        ({"tensors.safetensors": b"\xff" * 50}, "tensors.safetensors"),
        ({"generators/0/tina.safetensors": b""}, "tina.safetensors"),
        ({"generators/0/tina.safetensors": None}, "its generator"),
    ):
        assert any(
            each in refused(rewritten(bundled, path, replace=members)) for each in told.split("|")
        )
    bomb = rewritten(bundled, path, compression=zipfile.ZIP_DEFLATED)
    assert "compressed or encrypted" in refused(bomb)
    assert LARGEST_JSON < 1 << 30


def test_weights_that_are_no_numbers_or_do_not_fit_are_refused(bundled, tmp_path: Path) -> None:
    def nan(tensors: dict[str, Any]) -> None:
        next(t for t in tensors.values() if t.is_floating_point()).view(-1)[0] = torch.nan

    def short(tensors: dict[str, Any]) -> None:
        name = next(n for n in tensors if n.startswith(("generic.", "network.")))
        tensors[name] = tensors[name][:1]

    for name in ("tensors.safetensors", "generators/0/tina.safetensors"):
        for change, told in ((nan, "contain NaN or infinity"), (short, "damaged")):
            member = {name: with_tensors(bundled, name, change)}
            assert told in refused(rewritten(bundled, tmp_path / "x.tina", replace=member))


def test_what_is_no_bundle_is_told(finished, tmp_path: Path, capsys) -> None:
    (tmp_path / "text.tina").write_text("hello")
    assert "not a bundle, or a damaged one" in refused(tmp_path / "text.tina")
    with zipfile.ZipFile(tmp_path / "zip.tina", "w") as archive:
        archive.writestr("a.txt", "a")
    assert "not a tina-kit bundle" in refused(tmp_path / "zip.tina")
    assert "not a run folder" in refused(tmp_path / "none.tina")
    os.mkfifo(tmp_path / "pipe.tina")
    assert "cannot read a bundle" in refused(tmp_path / "pipe.tina")
    words = ["bundle", str(finished[2]), "-o", str(tmp_path / "none" / "x.tina")]
    assert invoke(words) == 2 and "there is no folder" in capsys.readouterr().err


def test_other_generators_and_seeds_are_not_in_it(bundled) -> None:
    with pytest.raises(UserError, match="unknown generator 'oracle'"):
        tina_kit.load_generator(bundled, "oracle")
    with pytest.raises(UserError, match="has no seed 5; its seed is 0"):
        tina_kit.load_generator(bundled, seed=5)
    with pytest.raises(UserError, match="answers class names, and no images"):
        tina_kit.load_generator(bundled, prompts="image")
