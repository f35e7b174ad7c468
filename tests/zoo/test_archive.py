"""A zoo as a folder of its own, and p-Models of others that become one."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tina_kit.api import Layout, TinaKitError, UserError
from tina_kit.zoo.archive import MANIFEST, TENSORS, ZooArchive, check_layout, read, write
from tina_kit.zoo.summary import summary

ARCHITECTURE = CNN(CNNOptions(widths=(4, 6)))
NAMES = ("pear", "äpple", "fig", "plum")


def archive() -> ZooArchive:
    layout = ARCHITECTURE.layout(3)
    tasks = torch.tensor([[0, 3, 1], [2, 1, -1]])
    vectors = torch.randn(2, layout.size, generator=torch.Generator().manual_seed(0))
    settings = {"use": "tina-kit/cnn", "widths": [4, 6]}
    return ZooArchive(NAMES, settings, layout, tasks, vectors, {"from": "test"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(archive(), tmp_path / "zoo")
    return tmp_path / "zoo"


def test_a_zoo_is_read_back_whole(folder: Path) -> None:
    again, before = read(folder), archive()
    assert torch.equal(again.vectors, before.vectors) and torch.equal(again.tasks, before.tasks)
    assert replace(again, vectors=before.vectors, tasks=before.tasks) == before
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, TENSORS]


def test_a_zoo_is_never_written_over(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already contains a zoo"):
        write(archive(), folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="this is a file"):
        write(archive(), tmp_path / "file")


def test_what_was_only_half_written_is_no_zoo(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tina_kit.zoo.archive.write_json", full)
        with pytest.raises(TinaKitError, match="no space left on this disk"):
            write(archive(), tmp_path / "zoo")
    with pytest.raises(UserError, match=r"not a zoo: it contains no zoo\.json"):
        read(tmp_path / "zoo")
    write(archive(), tmp_path / "zoo")
    assert len(read(tmp_path / "zoo").tasks) == 2


def piped(path: Path) -> None:
    """Put a pipe in a file's place, which nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def manifest(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        change(content)
        (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")

    return damage


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = {name: tensor.clone() for name, tensor in load_file(folder / TENSORS).items()}
        change(content)
        save_file(content, folder / TENSORS)

    return damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / MANIFEST).write_text("{"), "zoo.json: cannot be read"),
        (lambda f: (f / MANIFEST).write_text("[]"), "not a tina-kit zoo (format None)"),
        (lambda f: (f / MANIFEST).write_text("[" * 100_000), "zoo.json: cannot be read"),
        (lambda f: piped(f / MANIFEST), "it contains no zoo.json"),
        (lambda f: piped(f / TENSORS), "zoo.safetensors: cannot be read: it is a named pipe"),
        (lambda f: (f / TENSORS).unlink(), "zoo.safetensors: cannot be read"),
        (lambda f: (f / TENSORS).write_bytes(b"no tensors"), "zoo.safetensors: cannot be read"),
        (
            manifest(lambda m: m.update(version=2)),
            "has format version 2, but this tina-kit reads version 1",
        ),
        (manifest(lambda m: m.pop("architecture")), "architecture: Field required"),
        (manifest(lambda m: m["counts"].update(tasks="2")), "counts.tasks: Input should be a"),
        (manifest(lambda m: m["counts"].update(tasks=3)), "vectors has shape (2, "),
        (manifest(lambda m: m["counts"].update(classes=4)), "does not have a task's 4 classes"),
        (manifest(lambda m: m["layout"].pop(0)), "but counts.parameters is"),
        (manifest(lambda m: m["layout"].append(m["layout"][0])), "is empty or a duplicate"),
        (manifest(lambda m: m["layout"][0].update(shape=[-1])), "is empty or a duplicate"),
        (
            manifest(lambda m: m.update(classes=["a", "b c", "B_c", "d"])),
            "classes: 'b c' (name 2) and 'B_c' (name 3) are the same class name",
        ),
        (manifest(lambda m: m.update(classes=["a", "b"])), "the index of one of the 2 classes"),
        (tensors(lambda t: t.pop("tasks")), "it must contain vectors and tasks, not vectors"),
        (tensors(lambda t: t.update(vectors=t["vectors"].half())), "must be torch.float32"),
        (
            tensors(lambda t: t["vectors"][1, 5].fill_(torch.inf)),
            "1 p-Models contain NaN or infinity",
        ),
        (tensors(lambda t: t["tasks"][0, 1].fill_(0)), "a task contains a class twice"),
        (tensors(lambda t: t["tasks"][0, 0].fill_(-1)), "-1 may only appear at the end"),
        (tensors(lambda t: t["tasks"][1, 1].fill_(-1)), "at least two classes"),
    ],
)
def test_damage_is_one_message(folder: Path, damage, told: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        read(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_another_architectures_p_models_are_refused_by_what_differs() -> None:
    layout = ARCHITECTURE.layout(3)
    check_layout(layout, ARCHITECTURE.layout(3), "zoo")
    with pytest.raises(UserError, match=r"0\.weight \(4, 3, 3, 3\) instead of .* \(5, 3, 3, 3\)"):
        check_layout(layout, CNN(CNNOptions(widths=(5, 6))).layout(3), "zoo")
    with pytest.raises(UserError, match=r"architecture: no 6\.bias \(3,\) \(classes on axis 0\)$"):
        check_layout(Layout(layout.parameters[:-1]), layout, "zoo")


def test_the_summary_leaves_out_what_is_absent() -> None:
    layout = ARCHITECTURE.layout(3)
    vectors = torch.stack([torch.full((layout.size,), value) for value in (1.0, 3.0)])
    vectors[1, layout.slices["6.bias"].start + 2] = 1e6  # the row of a class that is absent
    facts = summary(replace(archive(), vectors=vectors))
    assert facts["classes_of_a_task"] == [2, 3] and facts["p_models"] == 2
    assert (facts["occurrences"], facts["rarest"], facts["commonest"]) == ([1, 2], "pear", "äpple")
    layers = {row["layer"]: row for row in facts["layers"]}
    assert (layers["conv1"]["mean"], layers["conv1"]["spread"]) == (2.0, 1.0)
    assert layers["fc.bias"]["mean"] == pytest.approx((3 * 1 + 2 * 3) / 5)
    assert layers["fc.bias"]["spread"] == pytest.approx((2 / 3) ** 0.5)
    assert sum(row["parameters"] for row in facts["layers"]) == facts["parameters"] == layout.size
