"""The suites of tokenizers and augmentations let right parts pass and catch wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from tina_kit.api import Augmentation, Layout, Token, Tokenizer
from tina_kit.testing import AugmentationSuite, TokenizerSuite

Tokens = tuple[Token, ...]
NUMBERS = count()


class Rows(Tokenizer):
    """A token for each class, and one for every entry that belongs to none."""

    def tokens(self, layout: Layout) -> Tokens:
        owner = layout.class_of_entries()
        shared = [
            Token((i,), "shared", f"shared[{i}]") for i in (owner < 0).nonzero()[:, 0].tolist()
        ]
        rows = [
            Token(tuple((owner == c).nonzero()[:, 0].tolist()), "fc", "rows", c)
            for c in range(layout.classes or 0)
        ]
        return (*shared, *rows)


def recut(change: Callable[[Tokens], Any]) -> type[Tokenizer]:
    class Recut(Rows):
        def tokens(self, layout: Layout) -> Any:
            return change(super().tokens(layout))

    return Recut


def each(**fields: Any) -> type[Tokenizer]:
    return recut(lambda tokens: tuple(replace(token, **fields) for token in tokens))


def unclassed(tokens: Tokens) -> Tokens:
    return tuple(replace(t, class_index=None) for t in tokens)


def turned(tokens: Tokens) -> Tokens:
    """Rows that say they are the next class's."""
    rows = [t for t in tokens if t.class_index is not None]
    return tuple(
        t if t.class_index is None else replace(t, class_index=(t.class_index + 1) % len(rows))
        for t in tokens
    )


class Disturbing(Rows):
    def tokens(self, layout: Layout) -> Tokens:
        torch.rand(1)
        return super().tokens(layout)


TOKENIZERS = [
    ("test_tokens_are_a_tuple_of_tokens", recut(list), "gives a list; it must be a tuple"),
    (
        "test_every_entry_lies_in_exactly_one_token",
        recut(lambda tokens: tokens[1:]),
        r"entries \[0\] are in no token.*exactly one token",
    ),
    (
        "test_every_entry_lies_in_exactly_one_token",
        recut(lambda tokens: (*tokens, tokens[0])),
        r"\[0\] in two .*exactly one token",
    ),
    (
        "test_vectors_come_back_from_tokens",
        recut(lambda tokens: tokens[1:]),
        "not invertible .* must come back from its tokens",
    ),
    ("test_tokens_of_a_group_have_one_size", each(group="all"), "they need one size"),
    ("test_tokens_of_a_group_can_be_told_apart", recut(unclassed), "a class of its own"),
    ("test_a_class_token_holds_entries_of_its_class", recut(turned), "that class's entries alone"),
    ("test_layers_and_groups_have_names", each(layer=""), "the layer '' .* must be names"),
    (
        "test_cutting_again_gives_the_same",
        recut(lambda tokens: tuple(replace(t, layer=str(next(NUMBERS))) for t in tokens)),
        "an equal tokenizer cuts it otherwise",
    ),
    ("test_cutting_leaves_global_randomness_alone", Disturbing, "tokens moves .* state of torch"),
]


class TestARightTokenizer(TokenizerSuite):
    def component(self, **_: object) -> Tokenizer:
        return Rows()


@pytest.mark.parametrize(("check", "wrong", "message"), TOKENIZERS)
def test_a_wrong_tokenizer_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    caught(TokenizerSuite, check, wrong, message)


def test_every_check_of_tokenizers_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(TokenizerSuite) == {check for check, *_ in TOKENIZERS}


class Turning(Augmentation):
    """Moves the classes of all pairs on by the same number of places."""

    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        classes = mask.shape[1]
        shift = int(torch.randint(1, classes, (), generator=random))
        order = (torch.arange(classes) + shift) % classes
        rows = order.expand(len(mask), -1).to(vectors.device)
        return layout.take_classes(vectors, rows), conditions[:, order], mask[:, order]


def after(change: Callable[..., Any]) -> type[Augmentation]:
    """change: (what was made, what was given) → what is made instead."""

    class After(Turning):
        def __call__(self, vectors, conditions, mask, layout, random):  # type: ignore[no-untyped-def]
            given = (vectors, conditions, mask)
            return change(super().__call__(*given, layout, random), given)

    return After


def drawing(source: Callable[[torch.Generator], torch.Generator]) -> type[Augmentation]:
    class Drawing(Turning):
        def __call__(self, vectors, conditions, mask, layout, random):  # type: ignore[no-untyped-def]
            return super().__call__(vectors, conditions, mask, layout, source(random))

    return Drawing


def constant(_: torch.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(3)


def disturbing(random: torch.Generator) -> torch.Generator:
    torch.rand(1)
    return random


class Overwriting(Turning):
    def __call__(self, vectors, conditions, mask, layout, random):  # type: ignore[no-untyped-def]
        made = super().__call__(vectors, conditions, mask, layout, random)
        conditions.copy_(made[1])
        return made


class Fragile(Turning):
    def __call__(self, vectors, conditions, mask, layout, random):  # type: ignore[no-untyped-def]
        layout.slices["conv1.weight"]
        return super().__call__(vectors, conditions, mask, layout, random)


AUGMENTATIONS = [
    (
        "test_shapes_and_dtypes_stay",
        after(lambda made, given: (made[0].double(), *made[1:])),
        "vectors is torch.float64 .* says torch.float32",
    ),
    ("test_shapes_and_dtypes_stay", after(lambda made, given: made[0]), "gives a Tensor; it must"),
    (
        "test_the_same_draws_give_the_same",
        after(lambda made, given: (made[0] + next(NUMBERS), *made[1:])),
        "gives other vectors; all randomness must come from the generator",
    ),
    ("test_other_draws_give_others", drawing(constant), "two seeds give the same"),
    ("test_augmenting_leaves_global_randomness_alone", drawing(disturbing), "moves .* of torch"),
    ("test_its_arguments_stay_as_they_are", Overwriting, "changes conditions in place"),
    (
        "test_no_class_comes_or_goes",
        after(lambda made, given: (*made[:2], torch.ones_like(made[2]))),
        "more or fewer classes than before",
    ),
    (
        "test_prompts_are_reordered_as_the_mask_is",
        after(lambda made, given: (*made[:2], given[2])),
        "different orders; both sides of a pair must change alike",
    ),
    (
        "test_prompts_are_reordered_as_the_mask_is",
        after(lambda made, given: (made[0], made[1] + 1, made[2])),
        "a prompt comes out that no class of its pair had",
    ),
    (
        "test_logits_follow_the_prompts",
        after(lambda made, given: (given[0], *made[1:])),
        "not those of its prompts' classes; both sides",
    ),
    (
        "test_a_layout_of_a_classifier_alone_is_taken_or_told",
        Fragile,
        "raises KeyError .*must raise UserError",
    ),
    (
        "test_pairs_on_an_accelerator_stay_there",
        after(lambda made, given: (torch.ones(made[0].shape), *made[1:])),
        "vectors come back on cpu; they must stay on meta",
    ),
]


class TestARightAugmentation(AugmentationSuite):
    def component(self, **_: object) -> Augmentation:
        return Turning()


class TestAnAugmentationWithNoise(AugmentationSuite):
    keeps_function = False

    def component(self, **_: object) -> Augmentation:
        return after(lambda made, given: (made[0] + 0.1, *made[1:]))()


@pytest.mark.parametrize(("check", "wrong", "message"), AUGMENTATIONS)
def test_a_wrong_augmentation_is_caught(
    check: str, wrong: type, message: str, caught: Callable[..., None]
) -> None:
    caught(AugmentationSuite, check, wrong, message, accelerator=lambda _: torch.device("meta"))


def test_every_check_of_augmentations_can_fail(checks: Callable[..., set[str]]) -> None:
    assert checks(AugmentationSuite) == {check for check, *_ in AUGMENTATIONS}
