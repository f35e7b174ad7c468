"""A p-Model from a stranger is loaded whole or refused in words, and costs what its file costs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from torch import Tensor, nn

import tina_kit
from tina_kit.api import TinaKitError, UserError
from tina_kit.zoo.pmodel import PModel
from tina_kit.zoo.pmodel_file import built

SETTINGS = {"use": "tina-kit/cnn", "widths": [4, 6]}
METADATA = {
    "format": "tina-kit p-Model 1",
    "classes": '["pear", "äpple", "红 苹果"]',
    "image_size": "[8, 8]",
    "architecture": json.dumps(SETTINGS),
    "seed": "0",
}


def state() -> dict[str, Tensor]:
    return CNN(CNNOptions(widths=(4, 6))).build(3).state_dict()


def written(path: Path, tensors: dict[str, Tensor] | None = None, **metadata: str | None) -> Path:
    """A p-Model's file, with some of its metadata changed, or left out where they are None."""
    whole = {key: text for key, text in {**METADATA, **metadata}.items() if text is not None}
    save_file(state() if tensors is None else tensors, path, whole)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        tina_kit.load(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: ") and "\x1b" not in told
    return told


def test_a_sound_file_is_loaded(tmp_path: Path) -> None:
    model = tina_kit.load(written(tmp_path / "p.safetensors", note='{"any": ["json"]}'))
    assert model.classes == ("pear", "äpple", "红 苹果") and model.image_size == (8, 8)
    assert model.metadata == {"architecture": SETTINGS, "seed": 0, "note": {"any": ["json"]}}
    assert model(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).shape == (2, 3)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"format": None}, "not a tina-kit p-Model (format '')"),
        ({"format": "pt"}, "not a tina-kit p-Model (format 'pt')"),
        ({"format": "tina-kit p-Model x\x1b[31m"}, r"(format 'tina-kit p-Model x\x1b[31m')"),
        ({"format": "tina-kit p-Model 2"}, "this p-Model has format 2, but tina-kit "),
        ({"format": "tina-kit p-Model 2", "classes": None}, "install a newer tina-kit"),
        ({"classes": None}, "not the metadata of a p-Model: classes: Field required"),
        ({"image_size": None}, "image_size: Field required"),
        ({"architecture": None}, "architecture: Field required"),
        ({"classes": '"pear"'}, "classes: Input should be a valid list"),
        ({"classes": "[]"}, "classes: List should have at least 1 item"),
        ({"classes": '["a", 2, "c"]'}, "classes.1: Input should be a valid string"),
        ({"classes": '["a", "", "c"]'}, "classes: '' (name 2) is an empty name"),
        ({"classes": '["a", "\\u001b[31m", "c"]'}, "(name 2) contains control characters"),
        ({"classes": '["a", "\\ud800", "c"]'}, "(name 2) is not UTF-8"),
        ({"classes": '["a b", "c", "A_b"]'}, "(name 1) and 'A_b' (name 3) are the same"),
        ({"classes": "nonsense"}, "its metadata are damaged: 'classes'"),
        ({"classes": nested(100_000)}, "its metadata are damaged: 'classes'"),
        ({"note": "not JSON"}, "its metadata are damaged: 'note'"),
        ({"seed": "1" * 5000}, "its metadata are damaged: 'seed'"),
        ({"image_size": "[8]"}, "image_size: List should have at least 2 items"),
        ({"image_size": "[8, 8, 8]"}, "image_size: List should have at most 2 items"),
        ({"image_size": "[0, 8]"}, "image_size.0: Input should be greater than"),
        ({"image_size": "[8.5, 8]"}, "image_size.0: Input should be a valid integer"),
        ({"image_size": "[true, 8]"}, "image_size.0: Input should be a valid integer"),
        ({"image_size": '{"0": 8}'}, "image_size: Input should be a valid list"),
        ({"image_size": "[1000000000, 8]"}, "image_size.0: Input should be less than or equal"),
        ({"architecture": '"cnn"'}, "architecture: Input should be a valid dictionary"),
        ({"architecture": "{}"}, "its architecture is not available here"),
        ({"architecture": '{"use": "nobody/net"}'}, "its architecture is not available here"),
        ({"architecture": '{"use": ["cnn"]}'}, "its architecture is not available here"),
        ({"architecture": '{"use": "cnn", "no": 1}'}, "unknown option"),
        ({"architecture": '{"use": "cnn", "widths": [4]}'}, "widths"),
        ({"architecture": f'{{"use": "cnn", "a": {nested(900)}}}'}, "nested too deeply"),
        ({"architecture": '{"use": "cnn", "\\u001b[31m": 1}'}, r"\u001b[31m: unknown opt"),
        ({"architecture": '{"use": "cnn", "widths": "\\u001b"}'}, r"\x1b"),
        ({"architecture": '{"use": "\\u001b[31m"}'}, r"\u001b[31m"),
    ],
)  # fmt: skip
def test_wrong_metadata_are_told(tmp_path: Path, metadata: dict, told: str) -> None:
    assert told in refusal(written(tmp_path / "p.safetensors", **metadata))


def with_classes(count: int) -> dict[str, str]:
    return {"classes": json.dumps([f"class {index}" for index in range(count)])}


def with_widths(*widths: int) -> dict[str, str]:
    return {"architecture": json.dumps({"use": "cnn", "widths": widths})}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (with_classes(2), "do not fit its architecture: 6.weight is float32 (3, "),
        (with_classes(4), "do not fit its architecture: 6.weight is float32 (3, "),
        (with_widths(4, 7), "do not fit its architecture: "),
        (with_classes(200_000), "its architecture is far larger than its weights"),
        (with_widths(65_536, 65_536), "its architecture is far larger than its weights"),
        (with_widths(10**18, 10**18), "widths.1: input should be less than or equal to 65536"),
    ],
)
def test_weights_of_another_size_are_told(tmp_path: Path, metadata: dict, told: str) -> None:
    assert told in refusal(written(tmp_path / "p.safetensors", **metadata))


def changed(change: Callable[[dict[str, Tensor]], Any]) -> dict[str, Tensor]:
    tensors = {name: tensor.clone() for name, tensor in state().items()}
    change(tensors)
    return tensors


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("6.bias"), "6.bias is missing"),
        (lambda t: t.update({"\x1b[31m": torch.zeros(1)}), r"'\x1b[31m' is unexpected"),
        (lambda t: t.clear(), "is missing"),
        (lambda t: t.update({"6.bias": t["6.bias"].double()}), "float64 (3,) instead of float32"),
        (lambda t: t.update({"6.bias": t["6.bias"].half()}), "float16 (3,) instead of float32"),
        (lambda t: t.update({"6.bias": t["6.bias"].long()}), "int64 (3,) instead of float32"),
        (lambda t: t.update({"6.bias": t["6.bias"][:0]}), "float32 (0,) instead of float32 (3,)"),
        (lambda t: t["6.bias"].fill_(torch.nan), "its weights are damaged: '6.bias'"),
        (lambda t: t["6.weight"][1:, 1:].fill_(torch.inf), "its weights are damaged: '6.weight'"),
    ],
)
def test_wrong_tensors_are_told(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], Any], told: str
) -> None:
    assert told in refusal(written(tmp_path / "p.safetensors", changed(change)))


def test_a_negative_variance_is_damage(tmp_path: Path) -> None:
    from tina_architectures.options import ResNet20Options
    from tina_architectures.resnet20 import ResNet20

    tensors = ResNet20(ResNet20Options()).build(3).state_dict()
    architecture = json.dumps({"use": "resnet20"})
    assert tina_kit.load(written(tmp_path / "p", tensors, architecture=architecture)).classes
    name = next(name for name in tensors if name.endswith("running_var"))
    tensors[name][0] = -1
    told = refusal(written(tmp_path / "q", tensors, architecture=architecture))
    assert f"its weights are damaged: '{name}'" in told


def test_damaged_bytes_are_told(tmp_path: Path) -> None:
    whole = written(tmp_path / "p").read_bytes()
    for number, content in enumerate(
        [b"", b"text", whole[:-1], whole[:100], b"\xff" * 8 + whole[8:], whole + b"more"]
    ):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        assert "cannot read a p-Model" in refusal(path)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "it is a named pipe" in refusal(tmp_path / "fifo")
    assert "it is a folder" in refusal(tmp_path)
    assert "there is no such file" in refusal(tmp_path / "none")
    assert "not a regular file" in refusal(Path("/dev/null"))


def test_the_path_of_a_p_model_follows_the_rule_of_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "p.safetensors")
    model = tina_kit.load("~/p.safetensors")
    model.save("~/q.safetensors")
    assert tina_kit.load("~/q.safetensors").classes == model.classes
    for use in (tina_kit.load, model.save):
        with pytest.raises(UserError, match="variables such as"):
            use("$HOME/p.safetensors")


@pytest.mark.slow
def test_a_stated_size_allocates_nothing(tmp_path: Path) -> None:
    """In a process that could not hold what the files state."""
    hostile = [with_classes(200_000), with_widths(65_536, 4), with_widths(65_536, 65_536)]
    files = [written(tmp_path / str(n), **each) for n, each in enumerate(hostile)]
    code = "\n".join([
        "import resource, sys, tina_kit",
        "from tina_kit.zoo.pmodel import load",
        "from tina_kit.api import UserError",
        "load(sys.argv[1])",
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss",
        "for path in sys.argv[2:]:",
        "    try: load(path)",
        "    except UserError as error: assert 'far larger' in str(error), error",
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)",
    ])  # fmt: skip
    line = [sys.executable, "-c", code, written(tmp_path / "good"), *files]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # MiB


class Counting(CNN):
    """Computes with tensors while it is built, which the meta device cannot."""

    parts = 1

    def build(self, classes: int) -> nn.Module:
        int(torch.ones(1).item())
        module = super().build(classes)
        for index in range(self.parts):
            module.add_module(f"more{index}", nn.ReLU())
        return module


def test_an_architecture_that_the_meta_device_cannot_build_is_built_as_it_is() -> None:
    architecture = Counting(CNNOptions(widths=(4, 6)))
    expected = state()
    assert torch.equal(built(architecture, 3, expected).state_dict()["6.bias"], expected["6.bias"])
    with pytest.raises(UserError, match="float32"):
        built(architecture, 4, expected)
    with pytest.raises(UserError, match="far larger"):
        built(Counting(CNNOptions(widths=(4000, 6000))), 3, expected)


def test_an_endless_module_is_given_up() -> None:
    architecture = Counting(CNNOptions(widths=(4, 6)))
    architecture.parts = 10**12
    with pytest.raises(UserError, match="its architecture is far larger than its weights"):
        built(architecture, 3, state())


def test_an_architecture_that_fails_on_its_options_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("no such size")

    path = written(tmp_path / "p.safetensors")
    monkeypatch.setattr(CNN, "__init__", fail)
    told = refusal(path)
    assert "its architecture rejects its options: KeyError: 'no such size'" in told


def test_a_p_model_needs_no_file_that_its_architecture_started_from(tmp_path: Path) -> None:
    """It holds all of its weights; the checkpoint lies on another machine."""
    settings = {"use": "timm", "model": "resnet10t", "checkpoint": "/elsewhere/weights.safetensors"}
    from tina_architectures.backbone import Backbone
    from tina_architectures.options import TimmOptions

    module = Backbone(TimmOptions(model="resnet10t")).build(3)
    path = written(tmp_path / "p", module.state_dict(), architecture=json.dumps(settings))
    assert tina_kit.load(path).metadata["architecture"] == settings


def model_with(change: Callable[[dict[str, Tensor]], Any], **more: Any) -> PModel:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    module = architecture.build(3)
    module.load_state_dict(changed(change))
    given = {"classes": ["a", "b", "c"], "image_size": (8, 8), **more}
    return PModel(module, architecture, metadata={"architecture": SETTINGS}, **given)


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with pytest.raises(TinaKitError, match="weights are not finite"):
        model_with(lambda t: t["6.bias"].fill_(torch.nan)).save(path)
    for wrong in ({"classes": ["a", "a", "c"]}, {"image_size": (0, 8)}):
        with pytest.raises(UserError, match="not the metadata of a p-Model"):
            model_with(lambda t: None, **wrong).save(path)
    assert not path.exists()


def test_logits_that_overflow_are_no_answer() -> None:
    huge = model_with(lambda tensors: [t.fill_(3e38) for t in tensors.values()])
    pixels = torch.full((2, 3, 8, 8), 200, dtype=torch.uint8)
    for ask in (huge, huge.predict):
        with pytest.raises(UserError, match="its weights are too large"):
            ask(pixels)


def test_a_class_without_a_row_is_never_the_answer() -> None:
    model = model_with(lambda tensors: tensors["6.bias"][:2].fill_(0))
    model.module[-1].bias.data[1] = -torch.inf
    logits = model(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    assert logits[0].isneginf().tolist() == [False, True, False]


def test_equal_p_models_are_equal_files(tmp_path: Path) -> None:
    """safetensors itself orders metadata anew in every process."""
    path = written(tmp_path / "mine.safetensors", seed="0", note='"чайка"', a="1", b="2", c="3")
    code = (
        "import sys, tina_kit, hashlib\n"
        "print(hashlib.sha256(tina_kit.load(sys.argv[1]).content()).hexdigest())"
    )
    words = [sys.executable, "-c", code, str(path)]
    other = subprocess.run(words, capture_output=True, check=True, text=True).stdout
    model = tina_kit.load(path)
    assert hashlib.sha256(model.content()).hexdigest() == other.strip()
    (tmp_path / "again.safetensors").write_bytes(model.content())
    again = tina_kit.load(tmp_path / "again.safetensors")
    assert again.metadata == model.metadata and again.classes == model.classes
