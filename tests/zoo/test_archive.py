"""A zoo as a folder of its own, and p-Models of others that become one."""

from __future__ import annotations

import errno
import json
import os
import pickle
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
from tina_kit.zoo.checkpoints import gather
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
    with pytest.raises(UserError, match="there is a zoo here already"):
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
    with pytest.raises(UserError, match=r"this is no zoo: there is no zoo\.json"):
        read(tmp_path / "zoo")
    write(archive(), tmp_path / "zoo")
    assert len(read(tmp_path / "zoo").tasks) == 2


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
        (lambda f: (f / MANIFEST).write_text("[]"), "this is no zoo of tina-kit (format None)"),
        (lambda f: (f / TENSORS).unlink(), "zoo.safetensors: cannot be read"),
        (lambda f: (f / TENSORS).write_bytes(b"no tensors"), "zoo.safetensors: cannot be read"),
        (manifest(lambda m: m.update(version=2)), "has version 2, this tina-kit reads 1"),
        (manifest(lambda m: m.pop("architecture")), "architecture: Field required"),
        (manifest(lambda m: m["counts"].update(tasks="2")), "counts.tasks: Input should be a"),
        (manifest(lambda m: m["counts"].update(tasks=3)), "vectors is (2, "),
        (manifest(lambda m: m["counts"].update(classes=4)), "does not have the 4 classes"),
        (manifest(lambda m: m["layout"].pop(0)), "but counts.parameters is"),
        (manifest(lambda m: m["layout"].append(m["layout"][0])), "is no parameter of its own"),
        (manifest(lambda m: m["layout"][0].update(shape=[-1])), "is no parameter of its own"),
        (
            manifest(lambda m: m.update(classes=["a", "b c", "B_c", "d"])),
            "classes: 'b c' (name 2) and 'B_c' (name 3) are the same class name",
        ),
        (manifest(lambda m: m.update(classes=["a", "b"])), "one of the 2 classes' indices"),
        (tensors(lambda t: t.pop("tasks")), "it must hold vectors and tasks, not vectors"),
        (tensors(lambda t: t.update(vectors=t["vectors"].half())), "must be torch.float32"),
        (tensors(lambda t: t["vectors"][1, 5].fill_(torch.inf)), "1 p-Models are not finite"),
        (tensors(lambda t: t["tasks"][0, 1].fill_(0)), "a task holds a class twice"),
        (tensors(lambda t: t["tasks"][0, 0].fill_(-1)), "-1 may stand at the end"),
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
    with pytest.raises(UserError, match=r"0\.weight \(4, 3, 3, 3\) where .* \(5, 3, 3, 3\)"):
        check_layout(layout, CNN(CNNOptions(widths=(5, 6))).layout(3), "zoo")
    with pytest.raises(UserError, match=r"they have no 6\.bias \(3,\) \(classes on axis 0\)$"):
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


# p-Models of others.


def p_model(path: Path, classes: list[str], wrap=lambda state: state) -> dict[str, torch.Tensor]:
    """Save one with its class list; returns its state."""
    torch.manual_seed(len(path.name) + len(classes))
    state = dict(ARCHITECTURE.build(len(classes)).state_dict())
    torch.save(wrap(state), path)
    path.with_suffix(".json").write_text(json.dumps(classes), encoding="utf-8")
    return state


def prefixed(state: dict) -> dict:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def renamed(state: dict) -> dict:
    return {f"layer{number}": tensor for number, tensor in enumerate(state.values())}


def test_state_dicts_are_found_matched_by_name_and_stacked(tmp_path: Path) -> None:
    first = p_model(tmp_path / "a.pth", ["fig", "pear", "plum"])
    second = p_model(
        tmp_path / "bb.pt",
        ["plum", "äpple"],
        lambda state: {"epoch": 3, "state_dict": prefixed({"mean": torch.ones(3), **state})},
    )
    p_model(tmp_path / "ccc.pth", ["pear", "fig"], lambda s: {"model": dict(reversed(s.items()))})
    found = gather(tmp_path, ARCHITECTURE)
    assert found.class_names == ("fig", "pear", "plum", "äpple")
    assert found.tasks.tolist() == [[0, 1, 2], [2, 3, -1], [1, 0, -1]]
    assert (found.ignored, found.by_order) == (1, 0)
    layout = ARCHITECTURE.layout(3)
    assert torch.equal(found.vectors[0], layout.flatten(first))
    rows = layout.unflatten(found.vectors[1])
    assert torch.equal(rows["6.weight"][:2], second["6.weight"]) and not rows["6.weight"][2].any()
    assert torch.equal(rows["2.weight"], second["2.weight"])


def test_other_names_in_the_same_order_are_matched_by_order_and_counted(tmp_path: Path) -> None:
    state = p_model(tmp_path / "a.pth", ["fig", "pear"], renamed)
    p_model(tmp_path / "bb.pth", ["fig", "plum"])
    found = gather(tmp_path, ARCHITECTURE)
    assert found.by_order == 1
    assert torch.equal(found.vectors[0], ARCHITECTURE.layout(2).flatten(state))


def test_class_lists_may_be_text_or_stand_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        p_model(tmp_path / f"{name}.pth", ["x", "y"])
        (tmp_path / f"{name}.json").unlink()
    (tmp_path / "a.txt").write_text("\ufefffig\r\n\r\n pear \r\n", encoding="utf-8")
    (tmp_path / "classes.json").write_text('\ufeff{"b": ["plum", "Fig"]}', encoding="utf-8")
    found = gather(tmp_path, ARCHITECTURE)
    assert [[found.class_names[i] for i in task] for task in found.tasks.tolist()] == [
        ["fig", "pear"],
        ["plum", "fig"],
    ]


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_never_run(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, legacy: bool
) -> None:
    trap = tmp_path / "sprung"
    p_model(tmp_path / "a.pth", ["fig", "pear"], lambda state: {**state, "x": _Malicious(trap)})
    if legacy:
        (tmp_path / "a.pth").write_bytes(pickle.dumps(_Malicious(trap), protocol=4))
    with pytest.raises(UserError, match=r"a\.pth: it is damaged or holds more than tensors"):
        gather(tmp_path, ARCHITECTURE)
    assert not trap.exists() and not recwarn.list


def test_all_that_does_not_fit_is_told_at_once_file_by_file(tmp_path: Path) -> None:
    two = ["fig", "pear"]
    p_model(tmp_path / "a.pth", two, lambda s: {k: v for k, v in s.items() if k != "6.bias"})
    p_model(tmp_path / "b.pth", ["fig", "pear", "plum"])
    (tmp_path / "b.json").write_text(json.dumps(two))
    p_model(tmp_path / "c.pth", two, lambda s: {**s, "6.bias": s["6.bias"] * torch.nan})
    p_model(tmp_path / "d.pth", ["fig", "Fig"])
    p_model(tmp_path / "e.pth", two, lambda s: [1, 2])
    p_model(tmp_path / "f.pth", two)
    (tmp_path / "f.pth").write_bytes(b"")
    p_model(tmp_path / "g.pth", two)
    with pytest.raises(UserError) as caught:
        gather(tmp_path, ARCHITECTURE)
    head, *lines = str(caught.value).splitlines()
    assert head.endswith("6 of 7 p-Models do not fit, nothing was written:")
    assert lines == [
        "  a.pth: it lacks 6.bias (2,)",
        "  b.pth: 6.weight is (3, 6) instead of (2, 6), 6.bias is (3,) instead of (2,) "
        "(for 2 classes)",
        "  c.pth: 2 of its 284 parameters are not finite numbers".replace(
            "284", str(ARCHITECTURE.layout(2).size)
        ),
        "  d.pth: its classes in d.json: 'fig' (name 1) and 'Fig' (name 2) are the same class "
        "name. Case, spaces, underscores and Unicode forms make no difference; rename or remove "
        "one",
        "  e.pth: it holds no state dict",
        "  and 1 more",
    ]


@pytest.mark.parametrize("listed", ["{", "[1, 2]", '"fig"', '["fig", ""]', '["fig"]', None])
def test_a_class_list_that_is_none_is_told(tmp_path: Path, listed: str | None) -> None:
    p_model(tmp_path / "a.pth", ["fig", "pear"])
    if listed is None:
        (tmp_path / "a.json").unlink()
    else:
        (tmp_path / "a.json").write_text(listed)
    with pytest.raises(UserError, match=r"a\.pth: (no class list|its class)"):
        gather(tmp_path, ARCHITECTURE)


def test_a_name_twice_in_a_list_is_told_with_its_lines(tmp_path: Path) -> None:
    p_model(tmp_path / "a.pth", ["x", "y"])
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.txt").write_text("sea horse\n\nSea_Horse\n")
    with pytest.raises(UserError, match=r"a\.txt: 'sea horse' \(line 1\) and .* \(line 3\) are"):
        gather(tmp_path, ARCHITECTURE)
    (tmp_path / "a.txt").unlink()
    (tmp_path / "classes.json").write_text('{"a": ["x", "y"], "a": ["y", "x"]}')
    with pytest.raises(UserError, match=r"classes\.json: cannot be read: a is listed twice"):
        gather(tmp_path, ARCHITECTURE)


def test_a_folder_without_p_models_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="here is neither a zoo"):
        gather(tmp_path, ARCHITECTURE)
