"""The suite of conditioners lets right ones pass and catches wrong ones."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tina_kit.api import Conditioner, Images, Train, Training, UserError
from tina_kit.testing import ConditionerSuite

WIDTH = 6
NUMBERS = count()


def row(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


class Text(Conditioner):
    width = WIDTH

    def embed(self, prompts: Sequence[str]) -> Tensor:
        return torch.stack([row(prompt) for prompt in prompts])


class Both(Text):
    modalities = ("text", "image")

    def embed_images(self, images: Tensor) -> Tensor:
        return images.float().mean((1, 2, 3))[:, None] * row("image")


class Learner(Text):
    """A text's row is shifted by what the images taught."""

    learns = True

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        self.module = nn.Linear(1, WIDTH, bias=False)

        def loss(step, module):  # type: ignore[no-untyped-def]
            pick = torch.randint(len(images.labels), (4,), generator=step.random)
            grey = images.images[pick].float().mean((1, 2, 3))[:, None] / 255
            return (self.module(grey) - 1).square().mean()

        train(self.module, loss, Training(4, 0.1))
        self.shift = self.module.weight.detach()[:, 0]

    def embed(self, prompts: Sequence[str]) -> Tensor:
        return super().embed(prompts) + self.shift

    def save(self, folder: Path) -> None:
        save_file({"shift": self.shift}, folder / "shift.safetensors")

    def load(self, folder: Path) -> None:
        self.shift = load_file(folder / "shift.safetensors")["shift"]


class Doubles(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        return super().embed(prompts).double()


class Constant(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        return torch.ones(len(prompts), WIDTH)


class Centred(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        rows = super().embed(prompts)
        return rows - rows.mean(0)


class Counting(Text):
    calls = 0

    def embed(self, prompts: Sequence[str]) -> Tensor:
        self.calls += 1
        return super().embed(prompts) + self.calls


class Unpadded(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        rows = super().embed(prompts)
        rows[[prompt == self.padding_prompt for prompt in prompts]] = torch.inf
        return rows


class Nonsense(Text):
    def gibberish(self, count: int, seed: int) -> Tensor:
        return torch.ones(count, WIDTH)


class Disturbing(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        random.random()
        return super().embed(prompts)


class Tasting(Text):
    modalities = ("text", "smell")


class Integer(Both):
    def embed_images(self, images: Tensor) -> Tensor:
        return super().embed_images(images).int()


class Painting(Both):
    def embed_images(self, images: Tensor) -> Tensor:
        made = super().embed_images(images)
        images.zero_()
        return made


class Comparing(Both):
    def embed_images(self, images: Tensor) -> Tensor:
        return super().embed_images(images) - images.float().mean()


class Silent(Text):
    def embed_images(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), WIDTH)


class Curt(Text):
    def embed_images(self, images: Tensor) -> Tensor:
        raise UserError("no images")


class Pickling(Learner):
    def save(self, folder: Path) -> None:
        super().save(folder)
        torch.save(self.shift, folder / "shift.pt")


class Forgetful(Learner):
    def load(self, folder: Path) -> None:
        self.shift = torch.zeros(WIDTH)


class Whimsical(Learner):
    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        super().fit(images, class_names, train)
        self.shift = self.shift + next(NUMBERS)


class OnTheDevice(Text):
    def embed(self, prompts: Sequence[str]) -> Tensor:
        return super().embed(prompts).to(self.device or "cpu")


CASES = [
    ("test_prompts_become_rows_of_the_width", Doubles, "torch.float64 .* says torch.float32"),
    ("test_different_prompts_have_different_rows", Constant, "have the same row"),
    ("test_a_row_depends_on_its_own_prompt_alone", Centred, "on its own prompt alone"),
    ("test_embedding_again_gives_the_same", Counting, "the same conditioner embeds .* otherwise"),
    ("test_the_padding_prompt_has_a_row", Unpadded, "row is not finite"),
    ("test_gibberish_comes_from_its_seed", Nonsense, "two seeds give the same gibberish"),
    ("test_embedding_leaves_global_randomness_alone", Disturbing, "moves .* of Python's random"),
    ("test_modalities_are_text_and_image", Tasting, "modalities holds 'smell'"),
    ("test_images_become_rows_in_the_same_space", Integer, "torch.int32 .* torch.float32"),
    ("test_images_become_rows_in_the_same_space", Painting, "changes images in place"),
    ("test_an_images_row_depends_on_itself_alone", Comparing, "changes with its neighbours"),
    ("test_images_are_refused_where_only_text_is_taken", Silent, "taken in silence"),
    ("test_images_are_refused_where_only_text_is_taken", Curt, "what, where and what to do"),
    ("test_what_it_saves_is_read_without_running_code", Pickling, "writes shift.pt .*run code"),
    ("test_a_loaded_conditioner_embeds_as_the_fitted_one", Forgetful, "load is save's inverse"),
    ("test_fitting_again_gives_the_same", Whimsical, "fitting again .* another conditioner"),
    ("test_an_accelerator_gives_the_same_rows", OnTheDevice, "must come back to the CPU"),
]


class TestARightConditionerOfText(ConditionerSuite):
    def component(self, **_: object) -> Conditioner:
        return Text()


class TestARightConditionerOfImages(ConditionerSuite):
    def component(self, **_: object) -> Conditioner:
        return Both()


class TestARightConditionerThatLearns(ConditionerSuite):
    def component(self, **_: object) -> Conditioner:
        return Learner()


@pytest.mark.parametrize(("check", "wrong", "message"), CASES)
def test_a_wrong_conditioner_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    caught(ConditionerSuite, check, wrong, message, accelerator=lambda _: torch.device("meta"))


def test_every_check_of_conditioners_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(ConditionerSuite) == {check for check, *_ in CASES}
