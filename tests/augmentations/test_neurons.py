"""Neuron permutation changes parameters but no logit, and says where it cannot."""

from __future__ import annotations

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_augmentations.neurons import NeuronPermutation
from tina_augmentations.options import NeuronPermutationOptions

from tina_kit.api import Layout, Parameter, UserError

ARCHITECTURE = CNN(CNNOptions())
LAYOUT = ARCHITECTURE.layout(10)
AUGMENT = NeuronPermutation(NeuronPermutationOptions())
CLASSIFIER = (
    Parameter("fc.weight", (5, 4), layer="fc", class_axis=0),
    Parameter("fc.bias", (5,), layer="fc", class_axis=0),
)


def pairs(layout: Layout = LAYOUT, count: int = 6) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(1)
    vectors = torch.randn(count, layout.size, generator=random)
    mask = torch.rand(count, 10, generator=random) < 0.7
    return vectors, torch.randn(count, 10, 3, generator=random), mask


def permuted(vectors: torch.Tensor, layout: Layout = LAYOUT, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    none = torch.zeros(len(vectors), 1)
    return AUGMENT(vectors, none[..., None], none.bool(), layout, random)[0]


@pytest.mark.parametrize("seed", range(3))
def test_the_logits_of_cnn_5k_stay_while_its_parameters_move(seed: int) -> None:
    vectors, *_ = pairs()
    images = torch.randn(6, 5, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    inputs = ARCHITECTURE.arrange(images)
    changed = permuted(vectors, seed=seed)
    before = ARCHITECTURE.forward_many(vectors, inputs, 10, {})
    after = ARCHITECTURE.forward_many(changed, inputs, 10, {})
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    old, new = LAYOUT.unflatten(vectors), LAYOUT.unflatten(changed)
    for name in ("0.weight", "2.weight", "6.weight"):
        assert not torch.equal(new[name], old[name])
    assert torch.equal(new["6.bias"], old["6.bias"])


def test_conditions_and_mask_are_left_alone() -> None:
    vectors, conditions, mask = pairs()
    _, prompts, present = AUGMENT(
        vectors, conditions, mask, LAYOUT, torch.Generator().manual_seed(0)
    )
    assert torch.equal(prompts, conditions)
    assert torch.equal(present, mask)


def test_every_pair_draws_its_own_permutation_and_the_seed_decides() -> None:
    # A neuron's first weight tells which one it was; all pairs start alike.
    same = torch.arange(LAYOUT.size).float().expand(6, -1)
    first = LAYOUT.unflatten(permuted(same))["0.weight"][:, :, 0, 0, 0]
    assert len({tuple(row) for row in first.tolist()}) == 6
    assert torch.equal(permuted(same), permuted(same))
    assert not torch.equal(permuted(same), permuted(same, seed=1))


def test_hidden_biases_move_with_their_neurons() -> None:
    layout = Layout(
        (
            Parameter("a.weight", (4, 3), layer="a"),
            Parameter("a.bias", (4,), layer="a"),
            *CLASSIFIER,
        ),
        chain=True,
    )

    def logits(vectors: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        w = layout.unflatten(vectors)
        hidden = torch.einsum("bnf,bf->bn", w["a.weight"], inputs) + w["a.bias"]
        return torch.einsum("bcn,bn->bc", w["fc.weight"], hidden.relu()) + w["fc.bias"]

    vectors, *_ = pairs(layout)
    inputs = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    changed = permuted(vectors, layout)
    torch.testing.assert_close(logits(changed, inputs), logits(vectors, inputs))
    bias = layout.slices["a.bias"]
    assert not torch.equal(changed[:, bias], vectors[:, bias])


def test_a_layout_without_hidden_neurons_is_refused() -> None:
    layout = Layout(CLASSIFIER)
    with pytest.raises(UserError, match=r"no hidden neurons .*only fc\.weight, fc\.bias"):
        permuted(pairs(layout)[0], layout)


def test_a_layout_that_is_no_chain_is_refused() -> None:
    parameters = (Parameter("a.weight", (6, 3), layer="a"), *CLASSIFIER)
    with pytest.raises(UserError, match="not a plain chain"):
        permuted(pairs(Layout(parameters))[0], Layout(parameters))
    layout = Layout(parameters, chain=True)
    with pytest.raises(UserError, match=r"a\.weight .* 6 outputs but fc\.weight .* 4 inputs"):
        permuted(pairs(layout)[0], layout)
