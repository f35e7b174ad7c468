"""Classifier augmentation changes both sides of a pair alike."""

from __future__ import annotations

import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_augmentations.options import ClassifierPermutationOptions
from tina_augmentations.permutation import ClassifierPermutation

ARCHITECTURE = CNN(CNNOptions())
LAYOUT = ARCHITECTURE.layout(10)


def augmented(seed: int = 0):
    random = torch.Generator().manual_seed(1)
    vectors = torch.randn(4, LAYOUT.size, generator=random)
    # The condition of class c is the number c, so that the permutation can be read off.
    conditions = torch.arange(10.0)[None, :, None].expand(4, -1, 3)
    mask = (torch.arange(10) < 7).expand(4, -1)
    augment = ClassifierPermutation(ClassifierPermutationOptions())
    random = torch.Generator().manual_seed(seed)
    return vectors, *augment(vectors, conditions, mask, LAYOUT, random)


def test_logits_are_permuted_as_the_prompts_are() -> None:
    vectors, permuted, prompts, _ = augmented()
    order = prompts[..., 0].long()
    images = torch.randn(4, 6, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    inputs = ARCHITECTURE.arrange(images)
    before = ARCHITECTURE.forward_many(vectors, inputs, 10, {})
    after = ARCHITECTURE.forward_many(permuted, inputs, 10, {})
    expected = before.gather(2, order[:, None].expand_as(before))
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=1e-4)


def test_the_mask_goes_where_the_padding_prompts_go() -> None:
    _, _, prompts, mask = augmented()
    assert torch.equal(mask, prompts[..., 0] < 7)
    assert not mask[:, :7].all()


def test_every_pair_draws_its_own_permutation_and_the_seed_decides() -> None:
    _, first, prompts, _ = augmented()
    orders = {tuple(row) for row in prompts[..., 0].tolist()}
    assert len(orders) == 4
    assert torch.equal(first, augmented()[1])
    assert not torch.equal(first, augmented(seed=1)[1])
