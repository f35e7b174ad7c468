"""The linear path beside Tina's transformer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tina_generators.groups import Groups
from tina_generators.linear import LinearPath
from tina_tokenizers.options import ClassRowsOptions
from tina_tokenizers.tokenizers import ClassRows

from tina_kit.api import Request, UserError

TASK = {
    "objective": "task",
    "base": "selection",
    "conditions": "whitened",
    "linear": True,
    "images": 16,
    "batch_size": 4,
}


def path_of(world, classes: int = 4) -> tuple[LinearPath, Groups]:
    groups = Groups(ClassRows(ClassRowsOptions()).tokens(world.architecture.layout(classes)))
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
    fewer = Groups(ClassRows(ClassRowsOptions()).tokens(world.architecture.layout(3)))
    left = path(conditions[:, [0, 1, 3]], fewer, None)
    torch.testing.assert_close(some["0.weight[0]"], left["0.weight[0]"])
    torch.testing.assert_close(some["classes"][:, [0, 1, 3]], left["classes"])


@pytest.mark.parametrize("kind", ["tina-dit", "hypernetwork"])
def test_it_learns_its_p_models_own_loss_and_is_saved(world, tmp_path: Path, kind: str) -> None:
    zoo, others = world.zoo(), world.zoo(seed=7)
    generator = world.fitted(
        kind=kind, zoo=replace(zoo, p_models=None), steps=60, learning_rate=1e-2, **TASK
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
    again = world.build(kind=kind, **TASK)
    again.setup(generator.context)
    again.load(tmp_path)
    assert torch.equal(again.generate(request), made)
    assert generator.network.linear.sums["0"].weight.abs().max() > 0


def test_at_first_it_adds_nothing(world) -> None:
    generator = world.build(**TASK)
    layout = world.architecture.layout(4)
    path = generator.network_for(layout, 4, 6).linear
    groups = Groups(generator.tokenizer.tokens(layout))
    added = path(torch.randn(2, 4, 6), groups, None)
    assert all(not tensor.any() for tensor in added.values())


def test_tokens_must_belong_to_classes(world) -> None:
    with pytest.raises(UserError, match="needs a tokenizer with a token for each class"):
        world.fitted("layer-chunks", linear=True, steps=1)


def test_a_larger_tina_inherits_it(world, tmp_path: Path) -> None:
    small = world.fitted(linear=True, steps=20)
    small.save(tmp_path)
    context = replace(world.context(), inherited={"inherit": tmp_path})
    options = {"hidden_size": 64, "heads": 8, "learning_rate": 1e-9, "steps": 1}
    large = world.fitted(context=context, linear=True, inherit="small", **options)
    for name, tensor in small.network.linear.state_dict().items():
        torch.testing.assert_close(large.network.linear.state_dict()[name], tensor)
    assert "linear.sums.0.weight" in large.inheritance["inherited"]
