"""Controls: wrong prompts, and the right rows with layers that are not the task's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import plan_of
from tina_kit.api import Layout, Parameter
from tina_kit.pipeline.controls import divisible, gibberish, mean_layers, other_layers, shuffled
from tina_kit.pipeline.run import Run
from tina_kit.pipeline.stages import evaluate as stages
from tina_kit.store import Draft

LAYERS, ROWS = Parameter("conv", (4,), "conv"), Parameter("head", (3, 2), "head", class_axis=0)
LAYOUT = Layout((LAYERS, ROWS))
SHARED = LAYOUT.class_of_entries() < 0


def vectors(tasks: int) -> Tensor:
    return torch.arange(float(tasks))[:, None].expand(-1, LAYOUT.size) + torch.rand(LAYOUT.size)


def test_shuffled_prompts_are_the_right_ones_in_another_order() -> None:
    conditions = torch.arange(10.0)[None, :, None].expand(200, -1, 2)
    tasks = torch.arange(10).expand(200, -1)
    mixed = shuffled(conditions, tasks, seed=0)
    assert torch.equal(mixed.sort(1).values, conditions)
    stayed = (mixed == conditions)[..., 0].float().mean()
    assert 0.05 < stayed < 0.15  # so that what reads prompts is right as often as chance


def test_the_controls_leave_absent_classes_as_they_are() -> None:
    tasks = torch.tensor([[3, 1, 2, -1, -1]]).expand(50, -1)
    conditions = tasks[..., None].float()
    padding = torch.full((1,), -1.0)
    mixed = shuffled(conditions, tasks, seed=0)
    drawn = gibberish(torch.arange(100.0)[:, None], tasks, padding, seed=0)
    for control in (mixed, drawn):
        assert (control[:, 3:] == -1).all() and (control[:, :3] >= 0).all()
    assert len({tuple(row) for row in mixed[..., 0].tolist()}) == 6  # every order


def test_gibberish_prompts_differ_within_a_task() -> None:
    rows = torch.arange(100.0)[:, None]
    drawn = gibberish(rows, torch.zeros(30, 10, dtype=torch.long), torch.zeros(1), seed=0)
    assert all(len(set(task)) == 10 for task in drawn[..., 0].tolist())


@pytest.mark.parametrize("tasks", [2, 3, 50])
def test_each_p_model_gets_the_layers_of_another_task_and_keeps_its_rows(tasks: int) -> None:
    whole = vectors(tasks)
    for seed in range(20):
        made = other_layers(whole, SHARED, seed)
        assert torch.equal(made[:, ~SHARED], whole[:, ~SHARED])
        assert not (made == whole)[:, SHARED].any()
        # Whole layers of one task each, and every task's once.
        assert torch.equal(made[:, SHARED].sort(0).values, whole[:, SHARED])


def test_whose_layers_a_task_gets_depends_on_the_seed() -> None:
    whole = vectors(50)
    made = [other_layers(whole, SHARED, seed) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_the_mean_of_all_tasks_layers_knows_of_no_task() -> None:
    whole = vectors(5)
    made = mean_layers(whole, SHARED, 0)
    assert torch.equal(made[:, ~SHARED], whole[:, ~SHARED])
    assert torch.equal(made[:, SHARED], whole.mean(0)[SHARED].expand(5, -1))


def test_controls_of_layers_leave_the_generated_p_models_as_they_are() -> None:
    whole = vectors(4)
    before = whole.clone()
    for change in (other_layers, mean_layers):
        change(whole, SHARED, 0)
    assert torch.equal(whole, before)


def test_layers_are_exchanged_where_there_are_rows_layers_and_another_task() -> None:
    assert divisible(LAYOUT, 2)
    assert not divisible(LAYOUT, 1)
    assert not divisible(Layout((ROWS,)), 2)  # as of a frozen ResNet
    assert not divisible(Layout((LAYERS,)), 2)


def splits(plan, tmp_path: Path, *sets: str) -> set[str]:
    rows = Run.start(plan(sets=list(sets)), tmp_path / "runs").execute().rows
    return {row["split"] for row in rows if row["generator"] == "tina-dit"}


PROMPTS = {"ood", "id", "shuffled", "gibberish"}


@pytest.mark.slow
def test_a_classifier_alone_has_no_layers_to_exchange(plan, tmp_path: Path) -> None:
    sets = ("architecture={use: resnet20}", "tasks.id=3", "tasks.ood=2", "evaluation.id_tasks=1")
    assert splits(plan, tmp_path, *sets) == PROMPTS


def test_one_task_has_no_other_to_take_layers_from(plan, tmp_path: Path) -> None:
    assert splits(plan, tmp_path, "tasks.ood=1") == PROMPTS


def test_controls_of_layers_are_counted_but_not_generated(finished, tmp_path, monkeypatch) -> None:
    whole = plan_of(*finished[:2])
    (experiment,) = whole.experiments
    told = {row.name: experiment.evaluation(row) for row in whole.recipe.generators}
    made, counted = [], []
    generate, evaluate = stages.generate, stages.evaluate
    monkeypatch.setattr(stages, "generate", lambda *a: made.append(len(a[2])) or generate(*a))
    monkeypatch.setattr(stages, "evaluate", lambda *a: counted.append(len(a[2])) or evaluate(*a))
    for name, stage in told.items():
        made.clear(), counted.clear()
        stage.compute(Draft(tmp_path, tmp_path))
        assert stage.units == sum(counted)
        reads = name == "tina-dit"
        assert made == ([6, 6, 6, 6] if reads else [6, 6])
        assert counted == [6] * (6 if reads else 2)
