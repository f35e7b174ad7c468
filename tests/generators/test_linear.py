"""The linear path beside Tina's transformer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tina_generators.groups import Groups
from tina_generators.linear import LinearPath
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks

from tina_kit.api import Request, Token, Tokenizer, UserError

TASK = {
    "objective": "task",
    "base": "selection",
    "conditions": "whitened",
    "linear": True,
    "images": 16,
    "batch_size": 4,
}


ROWS = ClassRows(ClassRowsOptions())


def path_of(world, classes: int = 4, tokenizer: Tokenizer = ROWS) -> tuple[LinearPath, Groups]:
    layout = world.architecture.layout(classes)
    groups = Groups(layout, tokenizer.tokens(layout))
    torch.manual_seed(0)
    path = LinearPath(groups, width=6, classes=4)
    for parameter in path.parameters():
        torch.nn.init.normal_(parameter)
    return path, groups


def test_classes_add_up_and_rows_are_of_a_class_among_the_others(world) -> None:
    path, groups = path_of(world)
    conditions = torch.randn(3, 4, 6)
    added = path(conditions, groups, None)
    _, single = path_of(world, 1)
    each = [path(conditions[:, place, None], single, None) for place in range(4)]
    for name, rows in groups.classes.items():
        if rows is None:
            torch.testing.assert_close(added[name], sum(one[name] for one in each))
    order = [2, 0, 3, 1]
    permuted = path(conditions[:, order], groups, None)
    torch.testing.assert_close(permuted["classes"], added["classes"][:, order])
    torch.testing.assert_close(permuted["0.weight[0]"], added["0.weight[0]"])
    alone = torch.cat([one["classes"] for one in each], dim=1)
    assert not torch.allclose(added["classes"], alone, atol=1e-2)


def test_absent_classes_add_nothing(world) -> None:
    path, groups = path_of(world)
    conditions = torch.randn(3, 4, 6)
    present = torch.tensor([[True, True, False, True]]).expand(3, -1)
    some = path(conditions, groups, present)
    layout = world.architecture.layout(3)
    fewer = Groups(layout, ROWS.tokens(layout))
    left = path(conditions[:, [0, 1, 3]], fewer, None)
    torch.testing.assert_close(some["0.weight[0]"], left["0.weight[0]"])
    torch.testing.assert_close(some["classes"][:, [0, 1, 3]], left["classes"])


@pytest.mark.parametrize(
    ("kind", "tokenizer"),
    [("tina-dit", "class-rows"), ("hypernetwork", "class-rows"), ("tina-dit", "layer-chunks")],
)
def test_it_learns_its_p_models_own_loss_and_is_saved(
    world, tmp_path: Path, kind: str, tokenizer: str
) -> None:
    zoo, others = world.zoo(), world.zoo(seed=7)
    generator = world.fitted(
        tokenizer, kind=kind, zoo=replace(zoo, p_models=None), steps=60, learning_rate=1e-2, **TASK
    )
    request = Request(others.conditions, None)
    made = generator.generate(request)
    learning = world.context().learning

    def loss(vectors: torch.Tensor) -> float:
        random = torch.Generator().manual_seed(9)
        return float(learning.loss(vectors, others.tasks, 256, random))

    assert generator.base is not None
    assert loss(made) < loss(generator.base.vectors(others.tasks)) - 0.05
    generator.save(tmp_path)
    again = world.build(tokenizer, kind=kind, **TASK)
    again.setup(generator.context)
    again.load(tmp_path)
    assert torch.equal(again.generate(request), made)
    assert generator.network.linear.sums["0"].weight.abs().max() > 0


def test_at_first_it_adds_nothing(world) -> None:
    generator = world.build(**TASK)
    layout = world.architecture.layout(4)
    path = generator.network_for(layout, 4, 6).linear
    groups = Groups(layout, generator.tokenizer.tokens(layout))
    added = path(torch.randn(2, 4, 6), groups, None)
    assert all(not tensor.any() for tensor in added.values())


@pytest.mark.parametrize("size", [3, 5, 64])
def test_tokens_that_hold_rows_of_several_classes_get_what_tokens_of_one_class_get(
    world, size: int
) -> None:
    """Also where a chunk ends in the middle of a row."""
    layout = world.architecture.layout(4)
    of_rows, rows = path_of(world)
    of_chunks, chunks = path_of(world, tokenizer=LayerChunks(LayerChunksOptions(size=size)))
    mine = of_chunks.state_dict()
    for name, tensor in of_rows.state_dict().items():
        for number in of_chunks.own if name.startswith(("own.", "mixed.")) else ():
            mine[f"{name.split('.')[0]}.{number}.weight"] = tensor
        if name in ("one.weight", "all.weight"):
            mine[name] = tensor
    of_chunks.load_state_dict(mine)
    conditions = torch.randn(3, 4, 6)
    present = torch.tensor([[True, True, False, True]]).expand(3, -1)
    expected = of_rows(conditions, rows, present)["classes"].transpose(1, 2)  # (B, row, C)
    added = of_chunks(conditions, chunks, present)
    made = torch.zeros(3, layout.size)
    for token in LayerChunks(LayerChunksOptions(size=size)).tokens(layout):
        made[:, token.entries] = added[token.group][:, 0]
    owner = layout.class_of_entries()
    for index in range(4):
        torch.testing.assert_close(made[:, owner == index], expected[:, :, index])


def test_tokens_with_rows_and_shared_entries_are_refused(world) -> None:
    whole = SimpleNamespace(
        tokens=lambda layout: (Token(tuple(range(layout.size)), "all", "all"),), fingerprint="x"
    )
    generator = world.build(linear=True)
    generator.tokenizer = whole
    with pytest.raises(UserError, match="tokens of the group 'all' hold both"):
        generator.network_for(world.architecture.layout(4), 4, 6)


def test_a_larger_tina_inherits_it(world, tmp_path: Path) -> None:
    small = world.fitted(linear=True, steps=20)
    small.save(tmp_path)
    context = replace(world.context(), inherited={"inherit": tmp_path})
    options = {"hidden_size": 64, "heads": 8, "learning_rate": 1e-9, "steps": 1}
    large = world.fitted(context=context, linear=True, inherit="small", **options)
    for name, tensor in small.network.linear.state_dict().items():
        torch.testing.assert_close(large.network.linear.state_dict()[name], tensor)
    assert "linear.sums.0.weight" in large.inheritance["inherited"]
