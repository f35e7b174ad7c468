"""CLIP's loss on labelled images, and a small model trained with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tina_conditioners.clip_training import (
    augmented,
    balanced,
    contrastive_loss,
    crop_and_flip,
    relight,
)
from tina_conditioners.mini_clip import MiniClip
from tina_conditioners.options import MiniClipOptions, OpenClipOptions
from torch import Tensor, nn
from torch.nn import functional as F

from tina_kit.api import Images, Step, Training

open_clip = pytest.importorskip("open_clip")

TINY = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
NAMES = ("red", "blue", "nothing")


def train(module: nn.Module, loss: Callable[[Step, nn.Module], Tensor], training: Training) -> None:
    """The training loop, without all that makes it worth having."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=training.learning_rate)
    module.train()
    for index in range(training.steps):
        optimizer.zero_grad()
        loss(Step(index, torch.Generator().manual_seed(index)), module).backward()
        optimizer.step()
    module.eval()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.json"
    path.write_text(json.dumps(TINY), encoding="utf-8")
    return path


def options(config: Path, **more: int) -> MiniClipOptions:
    settings = {"steps": 30, "batch_size": 8, "learning_rate": 3e-3} | more
    return MiniClipOptions(config=config, **settings)


@pytest.fixture(scope="module")
def colours() -> Images:
    """Sixteen images, red and blue in turn, with noise; the third class has none."""
    labels = torch.arange(16) % 2
    noise = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 60
    noise[labels == 0, 0] += 180
    noise[labels == 1, 2] += 180
    return Images(noise.byte(), labels)


@pytest.fixture(scope="module")
def fitted(config: Path, colours: Images) -> MiniClip:
    conditioner = MiniClip(options(config))
    conditioner.fit(colours, NAMES, train)
    return conditioner


def test_the_loss_with_one_image_of_each_class_is_clips_own() -> None:
    images, texts = F.normalize(torch.randn(2, 5, 8, generator=torch.Generator()), dim=2)
    scale = torch.tensor(7.0)
    expected = open_clip.ClipLoss()(images, texts, scale)
    torch.testing.assert_close(contrastive_loss(images, texts, torch.arange(5), scale), expected)


def test_images_of_one_class_are_all_positives() -> None:
    """Both on their text costs nothing; with one of them as a negative it would cost log 2."""
    texts = torch.eye(3)
    target = torch.tensor([0, 0, 1, 2])
    images, scale = texts[target], torch.tensor(50.0)
    best = contrastive_loss(images, texts, target, scale)
    # Of each text's positives every one gets its share: log 2 is the entropy of two halves.
    torch.testing.assert_close(best, torch.tensor(2.0).log() / 3 / 2, atol=1e-5, rtol=0)
    images = texts[torch.tensor([0, 1, 1, 2])]
    assert contrastive_loss(images, texts, target, scale) > best + 1


def test_crops_lie_inside_and_half_of_them_are_mirrored() -> None:
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32)
    crops = crop_and_flip(ramp, torch.Generator().manual_seed(0))
    assert crops.shape == ramp.shape and crops.min() >= 0 and crops.max() <= 1
    slopes = crops[:, 0, 0, -1] - crops[:, 0, 0, 0]
    assert slopes.abs().min() > 0.45 and slopes.abs().max() <= 1
    assert 70 < (slopes < 0).sum() < 130
    again = crop_and_flip(ramp, torch.Generator().manual_seed(0))
    assert torch.equal(crops, again)


def test_rare_classes_are_seen_as_often_as_others() -> None:
    labels = torch.tensor([0, 3, 0, 0, 3, 0, 5, 0])
    drawn = balanced(labels, 3000, torch.Generator().manual_seed(0))
    seen = torch.bincount(drawn, minlength=len(labels))
    for class_ in (0, 3, 5):
        each = seen[labels == class_].float()
        assert 900 < each.sum() < 1100 and each.min() > 0.8 * each.mean()
    # Stored results depend on it.
    assert drawn[:8].tolist() == [6, 0, 6, 3, 4, 3, 1, 1]


def test_light_changes_for_each_image_but_not_what_is_in_it() -> None:
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    lit = relight(image.expand(50, -1, -1, -1), torch.Generator().manual_seed(0))
    level, spread = lit.mean((2, 3)) - image.mean((2, 3)), lit.std((2, 3)) / image.std((2, 3))
    assert level.std() > 0.1 and level.abs().max() < 0.41
    assert 0.47 < spread.amin() < 0.9 and 1.1 < spread.amax() < 1.53
    assert (spread.std(1) > 0.001).any()  # the colours change apart
    flat = (lit - lit.mean((2, 3), keepdim=True)) / lit.std((2, 3), keepdim=True)
    torch.testing.assert_close(flat, flat[:1].expand_as(flat), atol=1e-4, rtol=1e-4)


def test_training_images_are_cropped_and_lit() -> None:
    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(1)
    expected = relight(crop_and_flip(images, random), random)
    assert torch.equal(augmented(images, torch.Generator().manual_seed(1)), expected)
    cropped = crop_and_flip(images, torch.Generator().manual_seed(1))
    assert (expected - cropped).abs().max() > 0.1


def test_a_few_steps_tell_two_colours_apart(fitted: MiniClip, colours: Images) -> None:
    scores = fitted.embed_images(colours.images) @ fitted.embed(NAMES[:2]).T
    assert torch.equal(scores.argmax(1), colours.labels)


def test_training_is_repeatable_and_leaves_other_draws_alone(config: Path, colours: Images) -> None:
    rows = []
    for state in (1, 2):
        torch.manual_seed(state)
        conditioner = MiniClip(options(config, steps=3))
        before = torch.get_rng_state()
        conditioner.fit(colours, NAMES, train)
        assert torch.equal(torch.get_rng_state(), before)
        rows.append(conditioner.embed(NAMES))
    assert torch.equal(*rows)


def test_only_what_is_trained_has_options_of_training() -> None:
    fields = MiniClipOptions.model_fields.keys() - OpenClipOptions.model_fields.keys()
    assert fields == {"steps", "batch_size", "learning_rate", "weight_decay"}
    with pytest.raises(ValidationError, match="weights"):
        OpenClipOptions(weights="train")


def test_the_loop_is_told_the_options(config: Path, colours: Images) -> None:
    told = []
    conditioner = MiniClip(options(config, steps=30))
    conditioner.fit(colours, NAMES, lambda module, loss, training: told.append(training))
    assert (told[0].steps, told[0].learning_rate, told[0].weight_decay) == (30, 3e-3, 0.1)


def test_what_was_trained_is_saved_and_loaded(
    config: Path, fitted: MiniClip, colours: Images, tmp_path: Path
) -> None:
    fitted.save(tmp_path)
    loaded = MiniClip(options(config))
    loaded.load(tmp_path)
    assert torch.equal(loaded.embed(NAMES), fitted.embed(NAMES))
    assert torch.equal(loaded.embed_images(colours.images), fitted.embed_images(colours.images))


def test_open_clip_itself_reads_what_is_saved(fitted: MiniClip, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    model = open_clip.create_model(f"local-dir:{tmp_path}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(["a photo of a red"])
    with torch.no_grad():
        rows = model.eval().encode_text(tokens, normalize=True)
    torch.testing.assert_close(rows, fitted.embed(["red"]))
