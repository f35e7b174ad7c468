"""Several p-Models of a task: the right answers of each, of their mean, and of the best."""

from __future__ import annotations

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import Tensor

from tina_kit.api import Architecture
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import evaluate
from tina_kit.zoo.samples import Answers, evaluate_samples, losses_of_samples

CPU = torch.device("cpu")
CLASSES, IMAGES = 8, 48
RANDOM = torch.Generator().manual_seed(0)
PIXELS = torch.randn(IMAGES, 3, 8, 8, generator=RANDOM)
LABELS = torch.arange(CLASSES).repeat(IMAGES // CLASSES)
TASKS = torch.tensor([[0, 3, 1], [5, 2, 4], [7, 6, -1]])
SAMPLES = 4
EACH = pytest.mark.parametrize(
    "architecture",
    [CNN(CNNOptions(widths=(4, 6))), ResNet20(ResNet20Options(generate=["fc"]))],
    ids=["one by one", "side by side"],
)


def of(architecture: Architecture) -> TaskData:
    frozen = architecture.build(CLASSES).eval().state_dict()
    if architecture.frozen_features:
        inputs = torch.randn(IMAGES, 64, generator=torch.Generator().manual_seed(1))
    else:
        inputs = architecture.arrange(PIXELS)
    return TaskData(architecture, inputs.__getitem__, LABELS, CLASSES, frozen, CPU)


def sampled(architecture: Architecture) -> Tensor:
    size = architecture.layout(TASKS.shape[1]).size
    random = torch.Generator().manual_seed(2)
    return torch.randn(SAMPLES, len(TASKS), size, generator=random) * 0.5


@EACH
def test_each_p_model_answers_as_if_it_were_the_only_one(architecture: Architecture) -> None:
    data, vectors = of(architecture), sampled(architecture)
    answers = evaluate_samples(data, vectors, TASKS, [1, 3], 7)
    for own, some in zip(answers.own, vectors):
        alone = evaluate(data, some, TASKS, 16)
        assert torch.equal(own, alone.correct) and torch.equal(answers.total, alone.total)
    assert torch.equal(answers.mean[1], answers.own[0])
    assert len({tuple(own.flatten().tolist()) for own in answers.own}) > 1


@EACH
def test_a_mean_is_of_the_probabilities_of_the_first_p_models(architecture: Architecture) -> None:
    data, vectors = of(architecture), sampled(architecture)
    answers = evaluate_samples(data, vectors, TASKS, [2, 3], 64)
    for count in (2, 3):
        for place, task in enumerate(TASKS):
            index, classes = data.images_of(task), task[task >= 0]
            logits = data.forward_many(vectors[:count, place], index.expand(count, -1), 3)
            shares = logits.float()[..., : len(classes)].softmax(-1).mean(0)
            right = classes[shares.argmax(-1)] == LABELS[index]
            expected = [int(right[LABELS[index] == label].sum()) for label in task]
            assert answers.mean[count][place].tolist() == expected


def test_a_class_without_a_row_and_an_absent_class_are_never_right() -> None:
    architecture = CNN(CNNOptions(widths=(4, 6)))
    data, vectors = of(architecture), sampled(architecture)
    owner = architecture.layout(3).class_of_entries()
    bias = torch.arange(vectors.shape[2]) >= vectors.shape[2] - 3
    vectors[:, :, bias & (owner == 1)] = -torch.inf
    answers = evaluate_samples(data, vectors, TASKS, [SAMPLES], 64)
    assert (answers.mean[SAMPLES][:, 1] == 0).all() and (answers.own[..., 1] == 0).all()
    assert answers.mean[SAMPLES][:, 0].sum() > 0
    assert (answers.own[:, 2, 2] == 0).all() and answers.total[2].tolist() == [6, 6, 0]
    vectors[:, :, bias] = -torch.inf  # without any row there is no answer
    assert evaluate_samples(data, vectors, TASKS, [2], 64).mean[2].sum() == 0
    assert losses_of_samples(data, vectors, TASKS, 1, 0).isinf().all()


def test_the_best_is_chosen_for_each_task_among_the_first_p_models() -> None:
    own = torch.arange(3 * 2).view(3, 2, 1)  # sample, task
    answers = Answers(own, {}, own[0])
    losses = torch.tensor([[2.0, 0.5], [1.0, 0.7], [0.5, 0.6]])
    assert answers.best(losses, 1).flatten().tolist() == [0, 1]
    assert answers.best(losses, 2).flatten().tolist() == [2, 1]
    assert answers.best(losses, 3).flatten().tolist() == [4, 1]


@EACH
def test_losses_are_of_as_many_images_of_each_class_as_are_asked_for(architecture) -> None:
    data, vectors = of(architecture), sampled(architecture)
    whole = losses_of_samples(data, vectors, TASKS, IMAGES, 0)  # no class has as many
    index = data.images_of(TASKS[0])
    logits = data.forward_many(vectors[:, 0], index.expand(SAMPLES, -1), 3).float()
    target = (TASKS[0] == LABELS[index][:, None]).int().argmax(1)
    expected = -logits.log_softmax(-1)[:, torch.arange(len(index)), target].mean(1)
    torch.testing.assert_close(whole[:, 0], expected)
    one = [losses_of_samples(data, vectors, TASKS, 1, seed) for seed in (0, 0, 1)]
    assert whole.shape == one[0].shape == (SAMPLES, len(TASKS))
    assert torch.equal(one[0], one[1]) and not torch.equal(one[0], one[2])
    assert not torch.equal(one[0], whole)
