"""Layouts cut vectors into parameters and pick classes; token maps are exact inverses."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tina_kit.api import Layout, Parameter, Token, TokenMap

LAYOUT = Layout(
    (
        Parameter("conv", (4, 3), layer="conv"),
        Parameter("weight", (2, 5), layer="fc", class_axis=1),
        Parameter("bias", (5,), layer="fc", class_axis=0),
    )
)


def test_flatten_and_unflatten_are_inverses() -> None:
    vectors = torch.randn(3, LAYOUT.size)
    assert torch.equal(LAYOUT.flatten(LAYOUT.unflatten(vectors)), vectors)
    assert LAYOUT.size == 12 + 10 + 5
    assert LAYOUT.classes == 5


def test_a_class_without_a_row_takes_the_mean_of_all() -> None:
    vectors = torch.randn(2, LAYOUT.size)
    index = torch.tensor([[4, -1], [-1, 2]])
    taken = LAYOUT.take_classes_or_mean(vectors, index)
    known = LAYOUT.take_classes(vectors, index.clamp(min=0))
    rows = taken[:, 16:].reshape(2, -1)
    weight, bias = vectors[:, 12:22].view(2, 2, 5), vectors[:, 22:]
    torch.testing.assert_close(taken[0, 12:16].view(2, 2)[:, 1], weight[0].mean(1))
    torch.testing.assert_close(taken[1, 16], bias[1].mean())
    assert torch.equal(taken[0, 12:16].view(2, 2)[:, 0], weight[0, :, 4])
    assert torch.equal(taken[:, :12], known[:, :12]) and rows.shape == (2, 2)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="26 entries, the layout 27"):
        LAYOUT.unflatten(torch.zeros(1, 26))


def test_take_classes_picks_columns_and_leaves_shared_entries() -> None:
    vector = torch.arange(27.0)[None]
    taken = LAYOUT.take_classes(vector.expand(2, -1), torch.tensor([[4, 0], [1, 1]]))
    weight = vector[0, 12:22].view(2, 5)
    assert torch.equal(taken[:, :12], vector[:, :12].expand(2, -1))
    assert torch.equal(taken[0, 12:16].view(2, 2), weight[:, [4, 0]])
    assert torch.equal(taken[1, 16:], vector[0, 22:][[1, 1]])


def test_a_value_for_each_class_broadcasts_along_the_class_axis() -> None:
    conv, weight, bias = LAYOUT.parameters
    values = torch.arange(10.0).view(2, 5)
    tensors = LAYOUT.unflatten(torch.ones(2, LAYOUT.size))
    scaled = tensors["weight"] * weight.along_classes(values)
    assert torch.equal(scaled, values[:, None].expand(2, 2, 5))
    assert torch.equal(tensors["bias"] * bias.along_classes(values), values)
    with pytest.raises(ValueError, match="conv is not indexed by class"):
        conv.along_classes(values)


def test_every_entry_knows_its_class() -> None:
    owner = LAYOUT.class_of_entries()
    assert owner[:12].eq(-1).all()
    assert owner[12:22].tolist() == [0, 1, 2, 3, 4] * 2
    assert owner[22:].tolist() == [0, 1, 2, 3, 4]


@given(order=st.permutations(range(27)), cuts=st.sets(st.integers(1, 26)), padding=st.floats(-9, 9))
def test_tokens_are_exactly_invertible_whatever_stands_in_the_padding(order, cuts, padding) -> None:
    bounds = [0, *sorted(cuts), 27]
    tokens = tuple(Token(tuple(order[a:b]), layer="x", group=str(a)) for a, b in pairwise(bounds))
    token_map = TokenMap(LAYOUT, tokens)
    vectors = torch.randn(2, 27)
    encoded = token_map.encode(vectors)
    assert encoded.shape == (2, len(tokens), max(len(t.entries) for t in tokens))
    assert encoded[:, ~token_map.mask].eq(0).all()
    encoded[:, ~token_map.mask] = padding
    assert torch.equal(token_map.decode(encoded), vectors)


@pytest.mark.parametrize("entries", [(0, 1, 2), (*range(27), 3), tuple(range(1, 28))])
def test_tokens_that_miss_or_repeat_an_entry_are_refused(entries: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        TokenMap(LAYOUT, (Token(entries, layer="x", group="x"),))
