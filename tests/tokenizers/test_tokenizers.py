"""The paper's chunks and one token a class."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks

from tina_kit.api import TokenMap

CNN_5K = CNN(CNNOptions()).layout(10)


def test_cnn_5k_in_chunks_of_576_is_432_eight_times_576_320_and_10() -> None:
    tokens = LayerChunks(LayerChunksOptions()).tokens(CNN_5K)
    assert [len(token.entries) for token in tokens] == [432, *[576] * 8, 320, 10]
    assert len({token.group for token in tokens}) == 11
    assert all(token.class_index is None for token in tokens)


def test_class_rows_hold_row_and_bias_of_one_class_and_share_a_group() -> None:
    tokens = ClassRows(ClassRowsOptions()).tokens(CNN_5K)
    assert [len(token.entries) for token in tokens] == [432, *[576] * 8, *[33] * 10]
    rows = [token for token in tokens if token.class_index is not None]
    assert [token.class_index for token in rows] == list(range(10))
    assert {token.group for token in rows} == {"classes"}
    start = 432 + 8 * 576
    assert rows[3].entries == (*range(start + 96, start + 128), start + 320 + 3)


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 700),
    classes=st.integers(2, 13),
    widths=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_both_tokenizers_are_exactly_invertible(size, classes, widths) -> None:
    layout = CNN(CNNOptions(widths=widths)).layout(classes)
    for tokenizer in (
        LayerChunks(LayerChunksOptions(size=size)),
        ClassRows(ClassRowsOptions(size=size)),
    ):
        token_map = TokenMap(layout, tokenizer.tokens(layout))
        vectors = torch.randn(2, layout.size)
        assert torch.equal(token_map.decode(token_map.encode(vectors)), vectors)


@given(order=st.permutations(range(10)))
def test_permuting_classes_permutes_the_class_tokens(order) -> None:
    token_map = TokenMap(CNN_5K, ClassRows(ClassRowsOptions()).tokens(CNN_5K))
    vectors = torch.randn(1, CNN_5K.size)
    permuted = CNN_5K.take_classes(vectors, torch.tensor([order]))
    expected = token_map.encode(vectors)
    expected[:, 9:] = expected[:, 9:][:, order]
    assert torch.equal(token_map.encode(permuted), expected)


def test_chunks_never_span_two_layers() -> None:
    tokens = LayerChunks(LayerChunksOptions(size=1000)).tokens(CNN_5K)
    owner = {}
    for parameter in CNN_5K.parameters:
        part = CNN_5K.slices[parameter.name]
        owner.update(dict.fromkeys(range(part.start, part.stop), parameter.layer))
    assert all({owner[entry] for entry in t.entries} == {t.layer} for t in tokens)
