"""Layers that p-Models share see each test image once, whatever the generator and the task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, ResNet20Options
from tina_architectures.resnet20 import ResNet20

from tests.conftest import plan_of
from tina_kit.api import Architecture
from tina_kit.pipeline.run import Run
from tina_kit.zoo import evaluation, shared
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import evaluate

CPU = torch.device("cpu")
OPTIONS = CNNOptions(widths=(4, 6))
CLASSES, IMAGES = 8, 40
PIXELS = torch.randn(IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(CLASSES).repeat(IMAGES // CLASSES)
TASKS = torch.stack(
    [torch.randperm(CLASSES, generator=torch.Generator().manual_seed(s))[:4] for s in range(6)]
)


class Watched:
    """Counts images that pass through an architecture's layers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, architecture: type[Architecture]) -> None:
        self.images, forward_many = 0, architecture.forward_many

        def counted(own, vectors, inputs, classes, frozen):  # type: ignore[no-untyped-def]
            self.images += inputs.shape[0] * inputs.shape[1]
            return forward_many(own, vectors, inputs, classes, frozen)

        monkeypatch.setattr(architecture, "forward_many", counted)


def of(architecture: Architecture) -> TaskData:
    frozen = architecture.build(CLASSES).eval().state_dict()
    return TaskData(
        architecture, architecture.arrange(PIXELS).__getitem__, LABELS, CLASSES, frozen, CPU
    )


def selected(data: TaskData) -> torch.Tensor:
    layout = data.architecture.layout(CLASSES)
    return layout.take_classes(layout.flatten(data.frozen).expand(len(TASKS), -1), TASKS)


@pytest.mark.parametrize(
    "architecture",
    [CNN(OPTIONS), ResNet20(ResNet20Options(generate=["stem", "fc"]))],
    ids=["all generated", "some frozen"],
)
def test_right_answers_are_the_same(monkeypatch, architecture: Architecture) -> None:
    data = of(architecture)
    vectors = selected(data)
    own = architecture.layout(4).class_of_entries() >= 0
    vectors[:, own] += 0.1 * torch.randn(len(TASKS), int(own.sum()))
    vectors[0, torch.nonzero(own)[-1]] = -torch.inf  # a class without a row
    found = evaluate(data, vectors, TASKS, 16)
    monkeypatch.setattr(evaluation, "on_shared_features", lambda data, vectors, *_: (data, vectors))
    expected = evaluate(data, vectors, TASKS, 16)
    assert torch.equal(found.correct, expected.correct) and found.correct.sum() > 0
    assert torch.equal(found.total, expected.total)


def test_shared_layers_see_each_image_once(monkeypatch) -> None:
    watched, data = Watched(monkeypatch, CNN), of(CNN(OPTIONS))
    evaluate(data, selected(data), TASKS, 16)
    evaluate(data, selected(data) * 1, TASKS.flip(1), 16)
    assert watched.images == IMAGES + 2 * shared.PROBED


def test_p_models_of_their_own_layers_see_the_images_of_their_tasks(monkeypatch) -> None:
    watched, data = Watched(monkeypatch, CNN), of(CNN(OPTIONS))
    monkeypatch.setattr(evaluation, "resolve_precision", lambda *_: "fp32")  # so just once
    vectors = selected(data)
    vectors[1, 0] += 0.1
    evaluate(data, vectors, TASKS, 16)
    assert watched.images == len(TASKS) * IMAGES // 2 and not data.features


def test_logits_that_are_no_linear_map_are_computed_as_they_are(monkeypatch) -> None:
    class Bent(CNN):
        def forward_many(self, *given):  # type: ignore[no-untyped-def]
            return super().forward_many(*given).sigmoid()

    data = of(Bent(OPTIONS))
    bent = evaluate(data, selected(data), TASKS, 16)
    assert not data.features
    straight = evaluate(replace(data, architecture=CNN(OPTIONS)), selected(data), TASKS, 16)
    assert torch.equal(bent.correct, straight.correct)


def test_generic_and_selection_share_the_features_of_a_run(
    recipe: Path, tmp_path: Path, monkeypatch
) -> None:
    text = recipe.read_text()
    recipe.write_text(text[: text.index("  - use: tina-dit")])
    sets = ["tasks.ood=20", "evaluation.id_tasks=4"]  # images of few tasks are fewer than all
    plan = plan_of(recipe, tmp_path / "store", sets=sets)
    watched = Watched(monkeypatch, CNN)
    Run.start(plan, tmp_path / "runs", []).execute()
    (experiment,) = plan.experiments
    images = len(experiment.images.read("test").labels)
    assert watched.images == images + 2 * shared.PROBED
