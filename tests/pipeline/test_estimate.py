"""A run's time is told after a few steps of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tina_kit.pipeline import estimate as module
from tina_kit.pipeline.estimate import Cost, estimate, spelled, table, total

SLEEPER = """\
import time
import torch
from tina_kit.api import Component, Generator, Options, Training, hookimpl

class SleeperOptions(Options):
    pass

class Sleeper(Generator):
    def __init__(self, options):
        pass

    def fit(self, zoo):
        def loss(step, module):
            time.sleep(0.02)
            return module(torch.ones(1, 1)).sum()

        self.context.train(torch.nn.Linear(1, 1), loss, Training(steps=1000, learning_rate=1e-9))

    def generate(self, request):
        tasks, classes = request.conditions.shape[:2]
        return torch.zeros(tasks, self.context.architecture.layout(classes).size)

    def save(self, folder):
        pass

    def load(self, folder):
        pass

@hookimpl
def tina_kit_components():
    return [Component(kind="generator", name="sleeper", target=f"{__name__}:Sleeper",
                      options=f"{__name__}:SleeperOptions", summary="Sleeps.")]
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 0.2)


def costs_of(plan: object) -> dict[str, Cost]:
    return {cost.name: cost for cost in estimate(plan)}  # type: ignore[arg-type]


def test_each_stage_is_told_in_the_order_of_a_run(plan: Callable[..., object]) -> None:
    names = ["images", "conditions", "generic", "zoo", "fit/tina-dit", "evaluate"]
    assert list(costs_of(plan())) == names
    found = costs_of(plan(sets=["evaluation.rejection=5"]))
    assert list(found) == [*names, "rejection"]
    # Three generators that answer any task, by four numbers of classes, on 12 ID and 6 OOD tasks.
    assert found["rejection"].detail == f"{3 * 4 * (12 + 6)} p-Models"


def test_a_training_is_broken_off_and_extrapolated(
    plan: Callable[..., object], recipe: Path
) -> None:
    (recipe.parent / "sleeper.py").write_text(SLEEPER)
    recipe.write_text(recipe.read_text() + "  - {use: sleeper}\nplugins: [sleeper.py]\n")
    start = time.monotonic()
    cost = costs_of(plan())["fit/sleeper"]
    assert 20 < cost.seconds < 60
    assert cost.detail.startswith("1,000 steps of 2")
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_stages_cost_as_much_as_they_hold(plan: Callable[..., object]) -> None:
    few, many = costs_of(plan()), costs_of(plan(sets=["tasks.id=120", "tasks.ood=60"]))
    assert few["zoo"].detail.startswith("18 p-Models of ")
    assert many["zoo"].detail.startswith("180 p-Models of ")
    assert few["evaluate"].detail == f"{4 * 12 + 4 * 6} p-Models"  # four controls of tina-dit
    assert many["evaluate"].detail == f"{4 * 66 + 4 * 60} p-Models"
    assert many["zoo"].seconds > 2 * few["zoo"].seconds


def test_every_seed_counts(plan: Callable[..., object]) -> None:
    costs = costs_of(plan(seeds=[0, 1]))
    assert costs["zoo"].detail.startswith("36 p-Models")


@pytest.mark.slow
def test_only_the_images_are_kept(plan: Callable[..., object], tmp_path: Path) -> None:
    found = costs_of(plan())["images"]
    assert found.seconds > 0 and not found.detail
    assert {path.name for path in (tmp_path / "store").iterdir()} <= {"images", ".partial"}
    again = costs_of(plan())["images"]
    assert (again.seconds, again.detail) == (0, "already read")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.012, "12 ms"),
        (0.123, "123 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (100, "1.7 min"),
        (3000, "50 min"),
        (6000, "1.7 h"),
        (360000, "100 h"),
    ],
)
def test_times_are_spelled_as_exactly_as_estimates_are(seconds: float, text: str) -> None:
    assert spelled(seconds) == text


def test_costs_are_told_in_columns() -> None:
    costs = [Cost("images", 0.5), Cost("zoo", 72.0, "460 p-Models of 157 ms")]
    assert table(costs) == ["images  500 ms", "zoo       72 s  460 p-Models of 157 ms"]
    assert total(costs) == "72 s"
