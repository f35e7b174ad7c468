"""Both towers of an open_clip model, with weights of every kind."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tina_conditioners.clip import OpenClip
from tina_conditioners.mini_clip import MiniClip
from tina_conditioners.options import MiniClipOptions, OpenClipOptions

from tina_kit.api import TinaKitError, UserError
from tina_kit.cli.app import invoke
from tina_kit.store import content_of

open_clip = pytest.importorskip("open_clip")
OPENAI_DATASET_MEAN, OPENAI_DATASET_STD = (
    open_clip.OPENAI_DATASET_MEAN,
    open_clip.OPENAI_DATASET_STD,
)

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY), encoding="utf-8")
    return path


def made(config: Path, **options: Any) -> OpenClip:
    return OpenClip(OpenClipOptions(config=config, **({"weights": "random"} | options)))


def images(count: int, *size: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(7)
    return torch.randint(256, (count, 3, *size), generator=random).byte()


def test_prompts_and_images_lie_in_one_space_with_length_1(config: Path) -> None:
    conditioner = made(config)
    assert (conditioner.width, conditioner.image_size) == (8, 16)
    assert conditioner.modalities == ("text", "image") and not conditioner.learns
    for rows in (conditioner.embed(["apple", "pear"]), conditioner.embed_images(images(2, 16, 16))):
        assert rows.shape == (2, 8) and rows.dtype == torch.float32 and not rows.requires_grad
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))
        assert (rows[0] - rows[1]).abs().max() > 1e-3


def test_a_row_depends_on_its_own_prompt_alone(config: Path) -> None:
    conditioner = made(config)
    alone = conditioner.embed(["apple"])
    among = conditioner.embed(["a much longer prompt of many words", "apple", "pear"])
    assert torch.equal(among[1:2], alone)
    pixels = images(70, 16, 16)  # more than are embedded at once
    torch.testing.assert_close(
        conditioner.embed_images(pixels)[66:67], conditioner.embed_images(pixels[66:67])
    )


def test_the_template_is_for_classes_and_not_for_the_padding_prompt(config: Path) -> None:
    plain, photo = made(config, template="{}"), made(config)
    assert torch.equal(photo.embed(["apple"]), plain.embed(["a photo of a apple"]))
    assert torch.equal(photo.embed(["<->"]), plain.embed(["<->"]))


def test_images_are_seen_as_open_clip_itself_sees_them(config: Path) -> None:
    from PIL import Image

    conditioner = made(config)
    model = conditioner._model()[0]
    pixels = images(1, 40, 40)
    picture = Image.fromarray(pixels[0].permute(1, 2, 0).numpy())
    seen = open_clip.image_transform(16, is_train=False)(picture)[None]
    # open_clip rounds to bytes after resizing.
    torch.testing.assert_close(conditioner._preprocess(pixels), seen, atol=0.05, rtol=0)
    expected = torch.nn.functional.normalize(model.encode_image(seen), dim=1)
    torch.testing.assert_close(conditioner.embed_images(pixels), expected, atol=0.02, rtol=0)


def test_of_an_image_that_is_no_square_the_middle_is_seen(config: Path) -> None:
    conditioner, pixels = made(config), images(2, 16, 40)
    middle = conditioner.embed_images(pixels[..., 12:28])
    assert torch.equal(conditioner.embed_images(pixels), middle)
    tall = conditioner.embed_images(pixels.mT)
    assert torch.equal(tall, conditioner.embed_images(pixels.mT[..., 12:28, :]))


def test_random_weights_come_from_their_seed_alone(config: Path) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = made(config, seed=3).embed(["apple"])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(made(config, seed=3).embed(["apple"]), first)
    assert not torch.allclose(made(config, seed=4).embed(["apple"]), first)


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_a_checkpoint_is_read_from_a_file(config: Path, tmp_path: Path, form: str) -> None:
    source = made(config, seed=5)
    state = source._model()[0].state_dict()
    path = tmp_path / f"weights.{'safetensors' if form == 'safetensors' else 'pt'}"
    save_file(state, path) if form == "safetensors" else torch.save({"state_dict": state}, path)
    conditioner = made(config, weights="pretrained", checkpoint=path)
    assert torch.equal(conditioner.embed(["apple"]), source.embed(["apple"]))


class _Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_checkpoint_is_executed(config: Path, tmp_path: Path) -> None:
    path, sprung = tmp_path / "weights.pt", tmp_path / "sprung"
    torch.save({"state_dict": {"a": _Trap(sprung)}}, path)
    with pytest.raises(UserError, match=r"weights\.pt: damaged, or contains more than"):
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])
    path.write_bytes(pickle.dumps(_Trap(sprung), protocol=2))
    with pytest.raises(UserError, match=r"weights\.pt: damaged, or contains more than"):
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])
    assert not sprung.exists()


def test_a_checkpoint_of_another_model_is_told(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(UserError, match="not the weights of"):
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])


def test_openai_weights_in_a_file_keep_their_activation(tmp_path: Path, monkeypatch: Any) -> None:
    """ViT-B-32's own configuration has another one than OpenAI's weights were trained with."""
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: dict(TINY))
    path = tmp_path / "weights.safetensors"
    save_file(open_clip.CLIP(**TINY).state_dict(), path)
    openai = OpenClip(OpenClipOptions(checkpoint=path, pretrained="openai"))._model()[0]
    own = OpenClip(OpenClipOptions(checkpoint=path, pretrained=None))._model()[0]
    assert "QuickGELU" in repr(openai) and "QuickGELU" not in repr(own)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"pretrained": "openai"}, ("QuickGELU", OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)),
        ({"pretrained": "laion2b_s34b_b79k"}, ("GELU", OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)),
        ({"pretrained": None}, ("GELU", OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)),
        ({"pretrained": "datacomp_s34b_b86k", "model": "ViT-B-32-256"}, ("GELU", None, None)),
        ({"pretrained": None, "model": "ViT-B-32-quickgelu"}, ("QuickGELU", None, None)),
        ({"pretrained": "webli", "model": "ViT-B-16-SigLIP"}, ("GELU", (0.5,) * 3, (0.5,) * 3)),
    ],
    ids=str,
)
def test_what_belongs_to_the_weights_is_told(
    tmp_path: Path, options: Any, facts: tuple[str, Any, Any]
) -> None:
    told = OpenClip(OpenClipOptions(checkpoint=tmp_path / "weights.pt", **options)).facts()
    for key, value in zip(("activation", "image mean", "image std"), facts):
        assert value is None or told[key] == (value if key == "activation" else list(value))


def test_the_run_and_its_folder_tell_what_belongs_to_the_weights(
    recipe: Path, config: Path, tmp_path: Path, capsys: Any
) -> None:
    source = made(config, seed=5)
    save_file(source._model()[0].state_dict(), tmp_path / "weights.safetensors")
    conditioner = f"{{use: open-clip, config: {config}, checkpoint: weights.safetensors}}"
    text = recipe.read_text().replace("{use: hashed-ngrams}", conditioner)
    recipe.write_text(text.replace(text[text.index("  - use: tina-dit") :], ""))
    assert invoke(["run", str(recipe), "--output", str(tmp_path / "runs")]) == 0
    assert "conditioner: activation GELU, image mean [0.48" in capsys.readouterr().err
    record = json.loads(next((tmp_path / "runs").rglob("run.json")).read_text())
    assert record["components"]["conditioner"]["image std"] == list(OPENAI_DATASET_STD)


# Weights of others.


def saved(path: Path, change: Any = dict, half: bool = False) -> tuple[Path, torch.Tensor]:
    """Weights of the tiny model, changed; and what they embed an apple as."""
    torch.manual_seed(3)
    model = open_clip.CLIP(**TINY).eval()
    if half:
        model = model.half().float()
    tokens = open_clip.SimpleTokenizer(context_length=12)(["a photo of a apple"])
    with torch.no_grad():
        expected = model.encode_text(tokens, normalize=True)
    state = {name: t.half() if half else t for name, t in model.state_dict().items()}
    torch.save(change(state), path)
    return path, expected


@pytest.mark.parametrize("half", [False, True], ids=["float", "half"])
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda s: {"net": s}, id="net"),
        pytest.param(lambda s: {"model_state_dict": s}, id="model_state_dict"),
        pytest.param(
            lambda s: {"state_dict": {f"model._orig_mod.{n}": t for n, t in s.items()}}, id="nested"
        ),
        pytest.param(lambda s: {f"module.{n}": t for n, t in s.items()}, id="module."),
        pytest.param(lambda s: {"context_length": torch.tensor(12), **s}, id="OpenAI"),
    ],
)
def test_weights_are_found_wherever_they_lie(
    config: Path, tmp_path: Path, wrap: Any, half: bool
) -> None:
    path, expected = saved(tmp_path / "weights.pt", wrap, half)
    conditioner = made(config, weights="pretrained", checkpoint=path)
    torch.testing.assert_close(conditioner.embed(["apple"]), expected)


@pytest.mark.parametrize("half", [False, True], ids=["float", "half"])
def test_what_does_not_fit_is_named_with_its_shapes(
    config: Path, tmp_path: Path, half: bool
) -> None:
    def change(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        state["text_projection"] = torch.ones(9, 8)
        state["visual.positional_embedding"] = torch.ones(10, 16).to(state["visual.proj"].dtype)
        del state["ln_final.bias"]
        return state | {"extra.weight": torch.ones(2)}

    path, _ = saved(tmp_path / "weights.pt", change, half)
    with pytest.raises(UserError) as told:
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])
    assert str(told.value) == (
        f"{path}: not the weights of {config}: text_projection is (9, 8) instead of (8, 8), "
        "visual.positional_embedding is (10, 16) instead of (5, 16); it lacks ln_final.bias (8,); "
        "the network has no extra.weight (2,)"
    )


@pytest.mark.parametrize("half", [False, True], ids=["float", "half"])
def test_positions_of_another_size_are_resampled_and_named(
    config: Path, tmp_path: Path, half: bool, caplog: Any
) -> None:
    path, _ = saved(tmp_path / "weights.pt", half=half)
    larger = json.loads(json.dumps(TINY))
    larger["vision_cfg"]["image_size"] = 32
    larger["text_cfg"]["context_length"] = 10
    config.write_text(json.dumps(larger))
    conditioner = made(config, weights="pretrained", checkpoint=path)
    assert conditioner.embed_images(images(1, 32, 32)).isfinite().all()
    assert (
        "positional_embedding is (12, 8) instead of (10, 8), "
        "visual.positional_embedding is (5, 16) instead of (17, 16)"
    ) in caplog.text


def test_weights_that_are_not_finite_are_named(config: Path, tmp_path: Path) -> None:
    path, _ = saved(
        tmp_path / "a.pt", lambda s: {**s, "ln_final.bias": torch.full((8,), torch.nan)}
    )
    with pytest.raises(UserError, match=r"a\.pt: not finite: ln_final\.bias"):
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])


def test_several_models_in_one_file_are_refused(config: Path, tmp_path: Path) -> None:
    def both(state: dict[str, torch.Tensor]) -> dict[str, Any]:
        return {"student": state, "teacher": {n: t + 1 for n, t in state.items()}}

    path, _ = saved(tmp_path / "a.pt", both)
    with pytest.raises(UserError, match=r"2 different networks match \(under the key 'student'"):
        made(config, weights="pretrained", checkpoint=path).embed(["apple"])


def test_weights_that_cannot_be_downloaded_are_told_with_what_to_do(monkeypatch: Any) -> None:
    def offline(tag: object) -> str:
        raise FileNotFoundError("no network\nand more")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(UserError) as told:
        OpenClip(OpenClipOptions()).embed(["apple"])
    assert "weights 'openai' of ViT-B-32 cannot be downloaded (no network)" in str(told.value)
    for way in ("`checkpoint`", "`weights: random`", "mini-clip"):
        assert way in str(told.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-B32"}, "unknown model 'ViT-B32'; similar: .*ViT-B-32"),
        ({"model": "miniclip"}, "similar: .*mini-clip"),
        ({"pretrained": "openapi"}, "ViT-B-32 has no weights 'openapi'; similar: openai"),
        ({"model": "mini-clip"}, "no weights can be downloaded for the model 'mini-clip'"),
        ({"pretrained": None}, "no weights can be downloaded"),
    ],
)
def test_what_does_not_exist_is_told_before_anything_runs(options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        OpenClip(OpenClipOptions(**options)).files()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "ViT-B32"}, "mini-clip: unknown model 'ViT-B32'"),
        ({"weights": "pretrained"}, "mini-clip: no weights can be downloaded for the model"),
        (
            {"model": "ViT-B-32", "weights": "pretrained", "pretrained": "openapi"},
            "mini-clip: ViT-B-32 has no weights 'openapi'",
        ),
    ],
)
def test_mini_clips_mistakes_are_told_under_its_own_name(options: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        MiniClip(MiniClipOptions(**options)).files()


def test_training_is_asked_of_mini_clip() -> None:
    with pytest.raises(ValueError, match=r"open-clip cannot train weights; use mini-clip"):
        OpenClipOptions(weights="train")
    assert MiniClipOptions(weights="train").component == "mini-clip"


def test_a_configuration_that_is_none_is_told(config: Path) -> None:
    for text, message in (("no json", "not an open_clip"), ('{"embed_dim": 8}', "no text_cfg")):
        config.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            made(config).files()
    config.write_text(json.dumps(TINY | {"colour": "blue"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot be built: .*colour"):
        made(config).embed(["apple"])


def test_a_checkpoint_with_random_weights_is_a_mistake(config: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint requires weights: pretrained"):
        OpenClipOptions(weights="random", checkpoint=config)


def test_local_files_are_known_by_their_content(config: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    copy.write_bytes(config.read_bytes())
    before = content_of(made(config).files())
    assert content_of(made(copy).files()) == before
    copy.write_text(json.dumps(TINY | {"embed_dim": 16}), encoding="utf-8")
    assert content_of(made(copy).files()) != before
    options = {"config": config, "weights": "pretrained"}
    first, second = tmp_path / "a.pt", tmp_path / "b.pt"
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    prints = [
        content_of(OpenClip(OpenClipOptions(**options, checkpoint=path)).files())
        for path in (first, second)
    ]
    assert prints[0] != prints[1]


def test_the_model_that_is_to_be_trained_is_not_used_before(config: Path) -> None:
    conditioner = MiniClip(MiniClipOptions(config=config))
    assert conditioner.learns
    with pytest.raises(TinaKitError, match="neither fitted nor loaded"):
        conditioner.embed(["apple"])


def test_the_kits_small_model_is_part_of_the_key() -> None:
    (path,) = OpenClip(OpenClipOptions(model="mini-clip", weights="random")).files().values()
    assert "test_resnet" in Path(path).read_text()


def test_mini_clip_is_open_clip_with_the_kits_small_model() -> None:
    conditioner = MiniClip(MiniClipOptions())
    assert conditioner.learns
    assert (conditioner.width, conditioner.image_size) == (128, 96)
    conditioner = MiniClip(MiniClipOptions(weights="random"))
    assert conditioner.embed(["apple"]).shape == (1, 128)
    assert conditioner.embed_images(images(1, 20, 20)).shape == (1, 128)
    model = conditioner._model()[0]
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    assert 3e5 < sum(sizes.values()) - sizes["token_embedding.weight"] < 1e6
