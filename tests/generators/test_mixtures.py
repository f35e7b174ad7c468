"""Rows of unseen classes, predicted from their prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tina_generators.base import Selection
from tina_generators.mixtures import STRENGTHS, Mixtures
from tina_generators.options_compared import RidgeSelectionOptions
from tina_generators.ridge import RidgeSelection

from tina_kit.api import Request


@pytest.fixture(scope="module")
def points() -> tuple[torch.Tensor, torch.Tensor]:
    """Conditions, and rows that are a smooth function of them."""
    random = torch.Generator().manual_seed(0)
    conditions = torch.randn(30, 3, generator=random)
    turned = torch.randn(3, 7, generator=random)
    return conditions, (conditions @ turned).sin()


def test_weights_are_those_of_kernel_ridge_regression(points) -> None:
    known, rows = points[0][:20], points[1][:20]
    strange = points[0][20:]
    squares = torch.cdist(known, known).square()
    kernel = torch.exp(-squares / squares.mean())
    across = torch.exp(-torch.cdist(strange, known).square() / squares.mean())
    made = Mixtures(known, rows).of(strange) @ rows
    fits = [
        rows.mean(0)
        + across @ torch.linalg.solve(kernel + strength * torch.eye(20), rows - rows.mean(0))
        for strength in STRENGTHS
    ]
    assert any(torch.allclose(made, fit, atol=1e-4) for fit in fits)


def test_a_class_that_is_left_out_is_predicted_by_the_others_alone(points) -> None:
    known, rows = points[0][:20], points[1][:20]
    weights = Mixtures(known, rows).without_itself
    assert weights.diagonal().abs().max() == 0
    torch.testing.assert_close(weights.sum(1), torch.ones(20))
    squares = torch.cdist(known, known).square()
    others = torch.arange(20) != 4
    kernel = torch.exp(-squares / squares.mean())
    for strength in STRENGTHS:
        inner = kernel[others][:, others] + strength * torch.eye(19)
        alone = torch.linalg.solve(inner, kernel[others, 4])
        alone += (1 - alone.sum()) / 19
        if torch.allclose(weights[4, others], alone, atol=1e-4):
            break
    else:
        pytest.fail("no strength explains the weights")


def test_smooth_rows_of_unknown_prompts_are_better_than_the_mean_row(points) -> None:
    known, rows = points[0][:20], points[1][:20]
    made = Mixtures(known, rows).of(points[0][20:]) @ rows
    error = (made - points[1][20:]).norm()
    assert error < 0.8 * (rows.mean(0) - points[1][20:]).norm()


@pytest.mark.parametrize("count", [1, 2])
def test_few_known_classes_are_enough(points, count: int) -> None:
    mixtures = Mixtures(points[0][:count], points[1][:count])
    assert mixtures.of(points[0][count:]).isfinite().all()
    assert mixtures.without_itself.isfinite().all()


def half_seen(world) -> tuple[Selection, torch.Tensor]:
    """The base of a generic model with the even classes only, and a task of both kinds."""
    seen = torch.arange(0, len(world.rows), 2)
    layout = world.architecture.layout(len(world.rows))
    generic = layout.take_classes(world.generic[None], seen[None])[0]
    context = world.context(generic_classes=seen, generic=generic)
    base = Selection.of_tasks(context, seen[None], world.rows[seen][None], ridge=True)
    return base, torch.tensor([[2, 5, 4, 1]])


def test_known_prompts_keep_their_rows_and_unknown_ones_get_mixtures(world) -> None:
    base, task = half_seen(world)
    prompts = world.rows[task]
    known = base.recognised(prompts)
    assert known.tolist() == [[2, -1, 4, -1]]
    vectors, shown = base.start(known, prompts)
    owner = world.architecture.layout(4).class_of_entries()
    whole = world.architecture.layout(len(world.rows)).take_classes(world.generic[None], task)
    for place in (0, 2):
        torch.testing.assert_close(vectors[0, owner == place], whole[0, owner == place])
        torch.testing.assert_close(shown[0, place], prompts[0, place])
    mean = base.vectors(known)
    for place in (1, 3):
        assert not torch.allclose(vectors[0, owner == place], mean[0, owner == place])
        assert not torch.allclose(shown[0, place], prompts[0, place])
    assert torch.equal(vectors[0, owner < 0], whole[0, owner < 0])


def test_a_dropped_class_is_practised_without_its_own_row(world) -> None:
    base, _ = half_seen(world)
    known = torch.tensor([[2, 4, 6, 8]])
    lost = torch.tensor([[True, False, False, False]])
    vectors, shown = base.start(known, world.rows[known], lost)
    rows = world.architecture.layout(4).class_of_entries()
    plain, _ = base.start(known, world.rows[known])
    assert not torch.allclose(vectors[0, rows == 0], plain[0, rows == 0])
    assert torch.equal(vectors[0, rows != 0], plain[0, rows != 0])
    assert not torch.allclose(shown[0, 0], world.rows[2])


def test_ridge_selection_answers_for_prompts_it_never_saw(world, tmp_path: Path) -> None:
    zoo = world.zoo()
    generator = RidgeSelection(RidgeSelectionOptions())
    generator.setup(world.context())
    generator.fit(zoo)
    strange = Request(zoo.conditions + 0.3, None)
    made = generator.generate(strange)
    assert made.isfinite().all()
    generator.save(tmp_path)
    again = RidgeSelection(RidgeSelectionOptions())
    again.setup(world.context())
    again.load(tmp_path)
    assert torch.equal(again.generate(strange), made)
