"""timm backbones with a generated classifier."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from tina_architectures.backbone import Backbone
from tina_architectures.options import TimmOptions
from torch import Tensor, nn

from tina_kit.api import UserError
from tina_kit.store import content_of
from tina_kit.zoo.assembly import assemble

CLASSES, GENERIC = 3, 5
TINY = {"image_size": 32, "model": "test_vit"}
VIT = Backbone(TimmOptions(**TINY))
RESNET = Backbone(TimmOptions(model="test_resnet", image_size=32))
BOTH = pytest.mark.parametrize("architecture", [VIT, RESNET], ids=["vit", "resnet"])


def images(count: int, side: int = 24) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=random)


def seeded(architecture: Backbone) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return architecture.initial(GENERIC)


def vectors_of(architecture: Backbone, count: int) -> Tensor:
    random = torch.Generator().manual_seed(2)
    return torch.randn(count, architecture.layout(CLASSES).size, generator=random) * 0.1


def logits(architecture: Backbone, module: nn.Module, vectors: Tensor) -> Tensor:
    with torch.inference_mode():
        features = architecture.inputs(module.eval(), images(4))
    features = features.clone().expand(len(vectors), *features.shape)
    return architecture.forward_many(vectors, features, CLASSES, module.state_dict())


def test_the_papers_vit_b_32_is_the_default() -> None:
    architecture = Backbone(TimmOptions())
    assert architecture.layout(10).size == 768 * 10 + 10
    with torch.device("meta"):
        assert sum(p.numel() for p in architecture.build(10).parameters()) == 87_462_922
    white = architecture.normalise(torch.full((3, 2, 2), 255, dtype=torch.uint8))
    assert torch.equal(white, torch.ones(3, 2, 2))  # its mean and deviation are 0.5


def test_what_belongs_to_the_weights_is_told() -> None:
    facts = Backbone(TimmOptions(model="test_vit", image_size=32)).facts()
    assert facts == {"image size": [32, 32], "image mean": [0.5] * 3, "image std": [0.5] * 3}


@BOTH
def test_the_layout_is_the_classifier_on_the_pooled_features(architecture: Backbone) -> None:
    module = seeded(architecture)
    features = architecture.inputs(module.eval(), images(4))
    weight = module.get_parameter("fc.weight")
    assert features.shape == (4, weight.shape[1]) and features.dtype == torch.float32
    parameters = architecture.layout(GENERIC).parameters
    assert [p.name for p in parameters] == ["fc.weight", "fc.bias"]
    assert [p.shape for p in parameters] == [tuple(weight.shape), (GENERIC,)]


@BOTH
def test_many_at_once_give_the_logits_of_each_assembled_module(architecture: Backbone) -> None:
    module = seeded(architecture)
    vectors = vectors_of(architecture, 3)
    many = logits(architecture, module, vectors)
    for vector, mine in zip(vectors, many):
        alone = assemble(architecture, module.state_dict(), vector, CLASSES)
        torch.testing.assert_close(
            alone(architecture.normalise(images(4))), mine, atol=1e-4, rtol=1e-4
        )


def test_classes_permuted_in_a_vector_are_permuted_in_its_logits() -> None:
    module, layout = seeded(VIT), VIT.layout(CLASSES)
    vectors = vectors_of(VIT, 2)
    index = torch.tensor([[2, 0, 1], [1, 2, 0]])
    before = logits(VIT, module, vectors)
    after = logits(VIT, module, layout.take_classes(vectors, index))
    torch.testing.assert_close(after, before.gather(2, index[:, None].expand_as(before)))


def test_images_are_resized_to_what_the_backbone_takes() -> None:
    module = seeded(VIT).eval()
    pixels = VIT.normalise(images(2))
    resized = nn.functional.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)
    assert torch.equal(module(pixels), module(resized))
    assert Backbone(TimmOptions(model="test_resnet")).size == (160, 160)


def test_a_backbone_that_is_not_trained_changes_nothing_of_its_own() -> None:
    architecture = Backbone(TimmOptions(model="test_resnet", image_size=32, train_backbone=False))
    module = seeded(architecture)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert [n for n, p in module.named_parameters() if p.requires_grad] == ["fc.weight", "fc.bias"]
    module.train()(architecture.normalise(images(4))).sum().backward()
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_a_backbone_that_is_trained_keeps_batch_statistics() -> None:
    module = seeded(RESNET)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.train()(RESNET.normalise(images(4)))
    assert any(not torch.equal(before[n], t) for n, t in module.state_dict().items())
    assert all(p.requires_grad for p in module.parameters())


def test_asking_for_the_layout_leaves_the_weights_as_the_seed_has_them() -> None:
    fresh, asked = Backbone(TimmOptions(**TINY)), Backbone(TimmOptions(**TINY))
    torch.manual_seed(3)
    expected = fresh.build(2).state_dict()
    torch.manual_seed(3)
    asked.layout(2)
    assert all(torch.equal(expected[n], t) for n, t in asked.build(2).state_dict().items())


def weights_of(model: str, classes: int) -> dict[str, Tensor]:
    return timm.create_model(model, num_classes=classes).state_dict()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("classes", [7, 0], ids=["with a classifier", "without one"])
def test_a_checkpoint_fills_the_backbone_from_its_file(
    tmp_path: Path, suffix: str, classes: int
) -> None:
    path, state = tmp_path / f"weights{suffix}", weights_of("test_resnet", classes)
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    architecture = Backbone(TimmOptions(model="test_resnet", checkpoint=path, image_size=32))
    loaded = architecture.initial(GENERIC).state_dict()
    assert loaded["fc.weight"].shape[0] == GENERIC
    backbone = {name: tensor for name, tensor in loaded.items() if name.startswith("backbone.")}
    assert backbone.keys() <= {f"backbone.{name}" for name in state}
    assert all(torch.equal(tensor, state[name[9:]]) for name, tensor in backbone.items())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", ""])
def test_of_a_checkpoint_of_training_the_average_is_taken(tmp_path: Path, prefix: str) -> None:
    state = weights_of("test_resnet", 7)
    average = {f"{prefix}{name}": tensor + 1 for name, tensor in state.items()}
    saved = {"epoch": 3, "state_dict": state, "state_dict_ema": average}
    torch.save(saved, path := tmp_path / "training.pt")
    architecture = Backbone(TimmOptions(model="test_resnet", checkpoint=path, image_size=32))
    loaded = architecture.initial(2).state_dict()
    backbone = {name: tensor for name, tensor in loaded.items() if name.startswith("backbone.")}
    assert len(backbone) > 10
    assert all(torch.equal(tensor, state[name[9:]] + 1) for name, tensor in backbone.items())


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda s: {"net": s}, id="net"),
        pytest.param(lambda s: {"model_state_dict": s, "epoch": 1}, id="model_state_dict"),
        pytest.param(lambda s: {"model": {"params": s}}, id="nested"),
        pytest.param(
            lambda s: {
                "state_dict": {f"model.module.{n}": t for n, t in s.items()}
                | {"criterion.weight": torch.ones(2)}
            },
            id="lightning",
        ),
    ],
)
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_weights_are_found_wherever_they_lie(tmp_path: Path, model: str, wrap) -> None:
    state = weights_of(model, 7)
    torch.save(wrap(state), path := tmp_path / "weights.BIN")
    architecture = Backbone(TimmOptions(model=model, checkpoint=path, image_size=160))
    loaded = architecture.initial(2).state_dict()
    backbone = {name[9:]: tensor for name, tensor in loaded.items() if name.startswith("backbone.")}
    assert len(backbone) > 10
    assert all(torch.equal(tensor, state[name]) for name, tensor in backbone.items())


def test_what_does_not_fit_of_a_checkpoint_is_named(tmp_path: Path) -> None:
    def refused(change, message: str) -> None:
        torch.save(change(weights_of("test_resnet", 7)), path := tmp_path / "a.pt")
        architecture = Backbone(TimmOptions(model="test_resnet", checkpoint=path, image_size=32))
        with pytest.raises(UserError, match=message):
            architecture.initial(2)

    refused(
        lambda s: s | {"conv1.0.weight": torch.ones(2)}, r"conv1\.0\.weight is \(2,\) instead of"
    )
    refused(
        lambda s: {n: t for n, t in s.items() if n != "bn1.bias"}, r"it lacks bn1\.bias \(\d+,\)"
    )
    refused(lambda s: s | {"bn1.bias": s["bn1.bias"] * torch.nan}, r"a\.pt: not finite: bn1\.bias")
    refused(lambda s: s | {"x": torch.ones(2)}, r"'test_resnet': the network has no x \(2,\)$")
    refused(lambda s: {"a": s, "b": {n: t + 1 for n, t in s.items()}}, "2 different networks match")


def test_positions_of_a_checkpoint_are_resampled_to_the_size_of_the_images(tmp_path: Path) -> None:
    save_file(weights_of("test_vit", 7), path := tmp_path / "weights.safetensors")
    architecture = Backbone(TimmOptions(checkpoint=path, **TINY))
    assert architecture.initial(2)(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


def test_a_checkpoint_is_known_by_its_content(tmp_path: Path) -> None:
    def known(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return content_of(Backbone(TimmOptions(checkpoint=tmp_path / name, **TINY)).files())

    assert known("one", b"1") == known("same", b"1") != known("other", b"2")
    assert VIT.files() == {}


def test_build_reads_no_weights(tmp_path: Path) -> None:
    for options in ({"checkpoint": tmp_path / "gone"}, {"pretrained": True}):
        architecture = Backbone(TimmOptions(**options, **TINY))
        assert architecture.build(2)(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code of a checkpoint was run')",)


def test_files_that_hold_no_such_weights_are_refused(tmp_path: Path) -> None:
    def refused(name: str, message: str) -> None:
        architecture = Backbone(TimmOptions(checkpoint=tmp_path / name, **TINY))
        with pytest.raises(UserError, match=f"{name}: {message}"):
            architecture.initial(2)

    refused("gone.safetensors", "cannot be read: No such file")
    (tmp_path / "text.safetensors").write_text("no weights")
    refused("text.safetensors", "cannot be loaded")
    (tmp_path / "text.pt").write_text("no weights")
    refused("text.pt", "damaged, or contains more than tensors")
    torch.save({"state_dict": {}, "x": Surprise()}, tmp_path / "code.pt")
    refused("code.pt", "damaged, or contains more than tensors")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    refused("empty.pt", "contains no weights")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    refused("list.pt", "contains no weights")
    save_file(weights_of("test_resnet", 2), tmp_path / "other.safetensors")
    refused("other.safetensors", "not the weights of timm's 'test_vit'")


def test_weights_that_cannot_be_downloaded_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    architecture = Backbone(TimmOptions(pretrained=True, **TINY))
    with pytest.raises(UserError, match=r"'test_vit' cannot be downloaded.*`checkpoint`"):
        architecture.initial(2)


def test_unknown_models_and_sizes_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"unknown model 'vit_base_patch32_244'.*vit_base_patch32_224"
    ):
        Backbone(TimmOptions(model="vit_base_patch32_244"))
    with pytest.raises(UserError, match="does not support image_size: 7"):
        Backbone(TimmOptions(model="test_vit", image_size=7))


def test_the_plugin_is_declared_without_importing_timm() -> None:
    code = (
        "import sys, tina_architectures, tina_architectures.options as o; o.TimmOptions();"
        "sys.exit(bool({'timm', 'torch'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
