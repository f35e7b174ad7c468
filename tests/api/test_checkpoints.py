"""Checkpoints of others are read as tensors alone, and what is none is refused in words."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tina_architectures.backbone import Backbone
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, TimmOptions
from tina_conditioners.clip import OpenClip
from tina_conditioners.options import OpenClipOptions
from tina_generators.foreign import read_foreign

from tests.testing.conftest import TINY_CLIP
from tina_kit.api import UserError, check_finite, read_checkpoint, read_state_dict
from tina_kit.api.checkpoints import state_dicts
from tina_kit.zoo.checkpoints import gather


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_tensors_come_as_they_were_saved(tmp_path: Path, form: str) -> None:
    state = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2, dtype=torch.float16)}
    path = tmp_path / f"weights.{'safetensors' if form == 'safetensors' else 'pt'}"
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    found = read_checkpoint(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.items())


def test_code_is_refused_and_not_run(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    saved = io.BytesIO()
    torch.save({"model": Trap(sprung)}, saved)
    for content in (saved.getvalue(), *(pickle.dumps(Trap(sprung), n) for n in range(6))):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"weights\.pt: damaged(, or contains more| or not a ch)"
        ):
            read_checkpoint(path)
    assert not sprung.exists() and not recwarn.list


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_scripted_modules_are_refused_in_our_own_words(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "script.pt")
    with pytest.raises(UserError, match=r"script\.pt: .* more than tensors \(code"):
        read_checkpoint(tmp_path / "script.pt")


@pytest.mark.parametrize("name", ["no.pt", "no.safetensors"])
def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: cannot be read: No such file"):
        read_checkpoint(tmp_path / name)


def test_the_systems_own_trouble_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch) -> None:
    def failing(error: Exception) -> Callable[..., None]:
        def load(*_: object, **__: object) -> None:
            raise error

        return load

    monkeypatch.setattr(torch, "load", failing(PermissionError(13, "Permission denied")))
    with pytest.raises(UserError, match=r"a\.pt: cannot be read: Permission denied$"):
        read_checkpoint(tmp_path / "a.pt")
    monkeypatch.setattr(torch, "load", failing(MemoryError()))
    with pytest.raises(MemoryError):
        read_checkpoint(tmp_path / "a.pt")


def by_timm(path: Path) -> None:
    Backbone(TimmOptions(model="test_vit", image_size=32, checkpoint=path)).initial(2)


def by_open_clip(path: Path) -> None:
    config = path.with_name("clip.json")
    config.write_text(json.dumps(TINY_CLIP))
    options = OpenClipOptions(config=config, pretrained=None, checkpoint=path)
    OpenClip(options).embed(["apple"])


def by_zoo(path: Path) -> None:
    path.with_suffix(".json").write_text('["fig", "pear"]')
    gather(path.parent, CNN(CNNOptions()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "read", [read_checkpoint, partial(read_foreign, heads=2), by_timm, by_open_clip, by_zoo]
)
@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", b"hello", b"\x80\x04junk", b"PK\x03\x04", b"\x80\x02."]
)
def test_what_is_no_checkpoint_is_refused_without_torchs_advice(
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    read: Callable[[Path], object],
    content: bytes,
) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pt: (damaged|cannot be load)") as caught:
        read(path)
    assert "weights_only" not in str(caught.value) and not recwarn.list


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.safetensors: cannot be loaded: .* Expected a"):
        read_checkpoint(tmp_path / "broken.safetensors")


# Networks in them.

NAMES = {"0.weight": (2, 3), "2.bias": (4,)}


def state(value: float = 0.0, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: torch.full(shape, value) for name, shape in NAMES.items()}


@pytest.mark.parametrize(
    "wanted", [NAMES, list(NAMES), lambda name: name in NAMES], ids=["shapes", "names", "test"]
)
def test_a_network_is_found_by_the_names_of_its_tensors(tmp_path: Path, wanted: object) -> None:
    inner = {**state(1.0, "module.model."), "module.loss": torch.ones(1)}
    torch.save({"epoch": 1, "trained": {"net": inner}}, tmp_path / "a.PT")
    found = read_state_dict(tmp_path / "a.PT", wanted)  # type: ignore[arg-type]
    assert (found.place, found.prefix) == ("trained.net", "module.model.")
    assert found.others == ("module.loss",) and not found.averaged
    assert found.tensors.keys() == NAMES.keys() and found.tensors["2.bias"].eq(1).all()


def test_safetensors_are_known_by_their_suffix_in_any_case(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "a.SafeTensors")
    assert read_state_dict(tmp_path / "a.SafeTensors", NAMES).tensors.keys() == NAMES.keys()


def test_what_keeps_tensors_from_being_a_network_is_told(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.ones(3, 2), "4.bias": torch.ones(1)}, tmp_path / "a.pt")
    found = read_state_dict(tmp_path / "a.pt", NAMES)
    assert found.misfit(NAMES) == "0.weight is (3, 2) instead of (2, 3); it lacks 2.bias (4,)"
    assert found.misfit({"0.weight": (3, 2)}, exact=True) == "the network has no 4.bias (1,)"
    assert found.misfit({"0.weight": (3, 2)}) == ""
    many = {f"layer{number}": (1,) for number in range(8)}
    assert found.misfit(many).endswith("layer3 (1,), layer4 (1,), and 3 more")


@pytest.mark.parametrize("wanted", [NAMES, lambda name: name in NAMES], ids=["names", "any"])
def test_networks_that_differ_are_an_ambiguity_and_named(tmp_path: Path, wanted: object) -> None:
    path = tmp_path / "a.pt"
    torch.save({"G": state(1.0), "D": state(2.0, "net.")}, path)
    told = r"a\.pt: 2 different networks match .* 'G' and under the key 'D' with the prefix 'net"
    with pytest.raises(UserError, match=told):
        read_state_dict(path, wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [[], {"epoch": 3}, {1: torch.ones(2)}, torch.ones(2)], ids=str)
def test_a_checkpoint_without_named_tensors_is_told(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt: contains no weights \(no named tensors"):
        read_state_dict(tmp_path / "a.pt", NAMES)


def test_mappings_that_hold_each_other_are_gone_through_once() -> None:
    shared: dict[str, object] = {"w": torch.ones(1)}
    for _ in range(30):
        shared = {f"{number}": shared for number in range(100)}
    shared["self"] = shared
    assert state_dicts(shared) == {}  # it lies deeper than anybody saves a network
    assert len(state_dicts({"a": {"b": shared, "c": state()}})) == 1


def test_tensors_that_are_not_finite_are_named() -> None:
    fine = {"w": torch.ones(2), "count": torch.tensor(3), "none": torch.zeros(0)}
    check_finite(fine, "a.pt")
    odd = {"nan": torch.tensor([0.0, torch.nan]), "far": torch.tensor(-torch.inf).bfloat16()}
    with pytest.raises(UserError, match=r"^a\.pt: not finite: nan, far$"):
        check_finite(fine | odd, "a.pt")
