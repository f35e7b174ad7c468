"""p-Models of others become one zoo: which files are read, and what is found in them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions

from tina_kit.api import UserError
from tina_kit.zoo.checkpoints import gather

ARCHITECTURE = CNN(CNNOptions(widths=(4, 6)))


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
    with pytest.raises(UserError, match=r"a\.pth: damaged, or contains more than tensors"):
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
    assert head.endswith("6 of 7 p-Models cannot be used; nothing was written:")
    assert lines == [
        "  a.pth: it lacks 6.bias (2,)",
        "  b.pth: 6.weight is (3, 6) instead of (2, 6), 6.bias is (3,) instead of (2,) "
        "(for 2 classes)",
        "  c.pth: 2 of its 284 parameters are NaN or infinite".replace(
            "284", str(ARCHITECTURE.layout(2).size)
        ),
        "  d.pth: its classes in d.json: 'fig' (name 1) and 'Fig' (name 2) are the same class "
        "name. Case, spaces, underscores and Unicode forms are ignored; rename or remove "
        "one",
        "  e.pth: it contains no state dict",
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
    with pytest.raises(UserError, match="contains neither a zoo"):
        gather(tmp_path, ARCHITECTURE)


Wrap = Callable[[dict[str, Any]], Any]


def beside(state: dict[str, Any]) -> dict[str, Any]:
    """A network of the same shapes that is another."""
    return {name: tensor + 1 for name, tensor in state.items()}


def under(*prefixes: str) -> Wrap:
    return lambda state: {"".join(prefixes) + name: tensor for name, tensor in state.items()}


def lightning(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {**under("model.")(state), "loss.weight": torch.ones(2)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(4, 3, 3, 3)}}}],
        "hyper_parameters": {"lr": 0.1},
    }


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda s: {"net": s}, id="net"),
        pytest.param(lambda s: {"model_state_dict": s, "step": 1}, id="model_state_dict"),
        pytest.param(lambda s: {"state_dict": s}, id="state_dict"),
        pytest.param(lambda s: {"params": s}, id="params"),
        pytest.param(lambda s: {"module": s}, id="module"),
        pytest.param(lambda s: {"ema": s}, id="ema"),
        pytest.param(lambda s: {"whatever": {"it": {"is called": s}}}, id="nested"),
        pytest.param(lambda s: {"model": s, "optimizer": {"state": {0: {"a": s["6.bias"]}}}}),
        pytest.param(lightning, id="lightning"),
        pytest.param(under("module."), id="module."),
        pytest.param(under("_orig_mod."), id="_orig_mod."),
        pytest.param(under("model."), id="model."),
        pytest.param(under("net."), id="net."),
        pytest.param(under("module.", "_orig_mod.", "model.", "net."), id="prefixes"),
        pytest.param(lambda s: {"model": {"state_dict": under("_orig_mod.module.")(s)}}, id="both"),
        pytest.param(
            lambda s: {n.replace(".", "._orig_mod."): t for n, t in s.items()}, id="inner wrappers"
        ),
    ],
)
def test_tensors_are_matched_by_name_wherever_they_lie(tmp_path: Path, wrap: Wrap) -> None:
    """Names stand in another order than the architecture's, so that the order cannot help."""
    state = p_model(tmp_path / "a.pth", ["fig", "pear"], lambda s: wrap(dict(reversed(s.items()))))
    found = gather(tmp_path, ARCHITECTURE)
    assert torch.equal(found.vectors[0], ARCHITECTURE.layout(2).flatten(state))
    assert found.by_order == 0


def test_names_count_and_not_the_order_where_shapes_are_alike(tmp_path: Path) -> None:
    alike = CNN(CNNOptions(widths=(3, 3)))
    state = dict(alike.build(3).state_dict())
    assert state["6.weight"].shape == (3, 3)
    torch.save(under("module.")(dict(reversed(state.items()))), tmp_path / "a.pth")
    (tmp_path / "a.json").write_text('["fig", "pear", "plum"]')
    found = gather(tmp_path, alike)
    assert torch.equal(found.vectors[0], alike.layout(3).flatten(state))


@pytest.mark.parametrize(
    "both",
    [
        pytest.param(lambda s: {"model": beside(s), "ema": s}, id="ema"),
        pytest.param(lambda s: {"state_dict_ema": s, "state_dict": beside(s)}, id="state_dict_ema"),
        pytest.param(lambda s: {**under("net.")(beside(s)), **under("net_ema.")(s)}, id="prefix"),
        pytest.param(
            lambda s: {"model": beside(s), "ema": {"decay": 0.9, "shadow": s}}, id="nested"
        ),
    ],
)
def test_of_a_network_and_its_average_the_average_is_taken(tmp_path: Path, both: Wrap) -> None:
    state = p_model(tmp_path / "a.pth", ["fig", "pear"], both)
    found = gather(tmp_path, ARCHITECTURE)
    assert torch.equal(found.vectors[0], ARCHITECTURE.layout(2).flatten(state))
    assert found.averaged == 1


@pytest.mark.parametrize(
    ("both", "told"),
    [
        (lambda s: {"model": s, "net": beside(s)}, "under the key 'model' and under the key 'net'"),
        (
            lambda s: {**under("student.")(s), **under("teacher.")(beside(s))},
            "with the prefix 'student.' and with the prefix 'teacher.'",
        ),
        (
            lambda s: {"model": under("module.")(s), "best": beside(s)},
            "under the key 'model' with the prefix 'module.' and under the key 'best'",
        ),
        (lambda s: {"a": renamed(s), "b": renamed(beside(s))}, "under the key 'a' and under the"),
    ],
)
def test_several_networks_that_fit_are_refused(tmp_path: Path, both: Wrap, told: str) -> None:
    p_model(tmp_path / "a.pth", ["fig", "pear"], both)
    with pytest.raises(UserError) as caught:
        gather(tmp_path, ARCHITECTURE)
    assert f"a.pth: 2 different networks match ({told}" in str(caught.value)


def test_one_network_that_stands_twice_is_no_ambiguity(tmp_path: Path) -> None:
    p_model(tmp_path / "a.pth", ["fig", "pear"], lambda s: {"model": s, "net": under("a.")(s)})
    assert len(gather(tmp_path, ARCHITECTURE).tasks) == 1


def test_of_two_networks_the_one_whose_shapes_fit_is_taken(tmp_path: Path) -> None:
    other = CNN(CNNOptions(widths=(5, 6))).build(2).state_dict()
    state = p_model(tmp_path / "a.pth", ["fig", "pear"], lambda s: {"teacher": other, "model": s})
    found = gather(tmp_path, ARCHITECTURE)
    assert torch.equal(found.vectors[0], ARCHITECTURE.layout(2).flatten(state))


def test_the_order_does_not_count_against_a_name_that_fits(tmp_path: Path) -> None:
    """`2.weight` is called as the architecture calls another tensor of the same shape."""
    alike = CNN(CNNOptions(widths=(3, 3)))
    state = alike.build(3).state_dict()
    names = ["2.weight", "0.weight", "fc.weight", "fc.bias"]
    torch.save(dict(zip(names, state.values())), tmp_path / "a.pth")
    (tmp_path / "a.json").write_text('["fig", "pear", "plum"]')
    with pytest.raises(UserError, match=r"it lacks 6\.weight \(3, 3\), 6\.bias \(3,\), and has fc"):
        gather(tmp_path, alike)


SUFFIXES = (".pt", ".PTH", ".bin", ".ckpt", ".Pkl", ".safetensors", ".SAFETENSORS", ".pth.tar")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("place", ["", "run 1/best/"])
def test_every_kind_of_checkpoint_is_read_wherever_it_lies(
    tmp_path: Path, suffix: str, place: str
) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    state = dict(ARCHITECTURE.build(2).state_dict())
    path = tmp_path / f"{place}epoch=3.0{suffix}"
    save_file(state, path) if "safe" in suffix.lower() else torch.save(state, path)
    (tmp_path / f"{place}epoch=3.0.json").write_text('["fig", "pear"]')
    found = gather(tmp_path, ARCHITECTURE)
    assert torch.equal(found.vectors[0], ARCHITECTURE.layout(2).flatten(state))
    assert not found.left_out


def test_tables_of_classes_may_stand_in_any_folder_above(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("a", "x/b", "x/y/c"):
        p_model(tmp_path / f"{name}.pth", ["one", "two"])
        (tmp_path / f"{name}.json").unlink()
    tables = {"": {"a": ["A", "Z"], "x/b": ["B", "Z"]}, "x/": {"y/c": ["C", "Z"], "y/d": []}}
    for place, table in tables.items():
        (tmp_path / f"{place}classes.json").write_text(json.dumps(table))
    found = gather(tmp_path, ARCHITECTURE)
    assert [found.class_names[task[0]] for task in found.tasks.tolist()] == ["A", "B", "C"]
    assert found.left_out == ("x/classes.json: y/d",)


def test_a_p_model_in_two_formats_is_read_once_and_two_of_one_name_are_refused(
    tmp_path: Path,
) -> None:
    state = p_model(tmp_path / "a.bin", ["fig", "pear"])
    save_file(state, tmp_path / "a.safetensors")
    found = gather(tmp_path, ARCHITECTURE)
    assert len(found.tasks) == 1 and found.left_out == ("a.safetensors",)
    save_file(beside(state), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"a\.safetensors is a different p-Model of this name"):
        gather(tmp_path, ARCHITECTURE)


def test_what_is_no_regular_file_is_told_and_never_waited_for(tmp_path: Path) -> None:
    p_model(tmp_path / "a.pth", ["fig", "pear"])
    (tmp_path / "loop").symlink_to(tmp_path)
    for name in ("b", "c"):
        shutil.copy(tmp_path / "a.json", tmp_path / f"{name}.json")
    os.mkfifo(tmp_path / "b.pth")
    (tmp_path / "c.pth").symlink_to(tmp_path / "gone.pth")
    with pytest.raises(UserError) as caught:
        gather(tmp_path, ARCHITECTURE)
    assert str(caught.value).endswith(
        "\n  b.pth: it is a named pipe, not a regular file"
        f"\n  c.pth: it is a broken link to {tmp_path}/gone.pth"
    )
