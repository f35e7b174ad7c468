"""p-Models run one by one or side by side, with the same results."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions, ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch.nn import functional as F

from tina_kit.zoo import evaluation, forms
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import evaluate

CPU = torch.device("cpu")
MODELS, CLASSES = 5, 4
IMAGES = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(8).repeat(5)
INDEX = torch.randint(40, (MODELS, 6), generator=torch.Generator().manual_seed(1))


ARCHITECTURE = CNN(CNNOptions(widths=(4, 6)))


def cnn_data() -> TaskData:
    inputs = ARCHITECTURE.arrange(IMAGES)
    return TaskData(ARCHITECTURE, inputs.__getitem__, LABELS, 8, {}, CPU)


def vectors(data: TaskData) -> torch.Tensor:
    size = data.architecture.layout(CLASSES).size
    return torch.randn(MODELS, size, generator=torch.Generator().manual_seed(2)) * 0.2


def gradient(data: TaskData, weights: torch.Tensor) -> tuple[float, torch.Tensor]:
    own = vectors(data).requires_grad_()
    target = torch.arange(6).remainder(CLASSES).expand(MODELS, -1)

    def loss(logits: torch.Tensor, part: slice) -> torch.Tensor:
        losses = F.cross_entropy(logits.flatten(0, 1), target[part].flatten(), reduction="none")
        return (losses.view(-1, 6) * weights[part, None]).mean()

    total = 3 * forms.sum_of_losses(data, own, INDEX, CLASSES, loss)
    total.backward()
    return total.item(), own.grad


def side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (forms, evaluation):
        monkeypatch.setattr(module, "one_by_one", lambda architecture, device: False)


def test_the_form_is_known_from_device_and_architecture() -> None:
    architecture, gpu = cnn_data().architecture, torch.device("cuda")
    assert forms.one_by_one(architecture, CPU)
    assert "one by one, " in forms.described(architecture, CPU)
    features = ResNet20(ResNet20Options())
    assert not forms.one_by_one(features, CPU)
    assert "batched call on features" in forms.described(features, CPU)
    assert not forms.one_by_one(architecture, gpu)
    assert "cuda devices" in forms.described(architecture, gpu)


def test_losses_and_gradients_are_the_same_in_both_forms(monkeypatch) -> None:
    weights = torch.linspace(0.5, 2, MODELS)
    data = cnn_data()
    value, grad = gradient(data, weights)
    side_by_side(monkeypatch)
    expected, other = gradient(data, weights)
    assert value == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(grad, other, atol=1e-6, rtol=1e-4)


def test_right_answers_are_the_same_in_both_forms(monkeypatch) -> None:
    data = cnn_data()
    random = torch.Generator().manual_seed(3)
    tasks = torch.stack([torch.randperm(8, generator=random)[:CLASSES] for _ in range(MODELS)])
    counts = evaluate(data, vectors(data), tasks, 16)
    side_by_side(monkeypatch)
    expected = evaluate(data, vectors(data), tasks, 16)
    assert torch.equal(counts.correct, expected.correct)
    assert torch.equal(counts.total, expected.total) and counts.total.sum() > 0


def test_answers_that_bf16_would_swap_are_those_of_fp32(monkeypatch) -> None:
    random = torch.Generator().manual_seed(3)
    inputs = ARCHITECTURE.arrange(torch.randn(320, 3, 8, 8, generator=random))
    data = replace(cnn_data(), inputs=inputs.__getitem__, labels=torch.arange(8).repeat(40))
    tasks = torch.stack([torch.randperm(8, generator=random)[:CLASSES] for _ in range(40)])
    some = torch.randn(40, data.architecture.layout(CLASSES).size, generator=random) * 0.2

    def counts(precision: str) -> torch.Tensor:
        monkeypatch.setattr(evaluation, "resolve_precision", lambda *_: precision)
        return evaluate(data, some, tasks, 64).correct

    exact = counts("fp32")
    assert torch.equal(counts("bf16"), exact)
    monkeypatch.setattr(evaluation, "DOUBT", -1.0)
    monkeypatch.setattr(evaluation, "LEAST", 0)
    assert not torch.equal(counts("bf16"), exact)  # without a second look


def test_one_by_one_the_precision_and_mode_of_the_caller_hold() -> None:
    data = cnn_data()
    seen: list[tuple[torch.dtype, bool]] = []

    def work(part: slice) -> int:
        made = data.forward_many(vectors(data)[part], INDEX[part], CLASSES)
        seen.append((made.dtype, torch.is_inference(made)))
        return part.start

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert list(forms.each(data, MODELS, 2, work)) == list(range(MODELS))
    assert set(seen) == {(torch.bfloat16, True)}
    seen.clear()
    list(forms.each(data, 1, 2, work))
    assert seen == [(torch.float32, False)]


def test_what_a_p_model_computes_does_not_depend_on_the_number_of_threads() -> None:
    data, threads = cnn_data(), torch.get_num_threads()
    found = []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            found.append(gradient(data, torch.ones(MODELS))[1])
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_an_error_in_one_p_model_is_the_callers() -> None:
    def work(part: slice) -> None:
        if part.start == 3:
            raise ValueError("no such class")

    with pytest.raises(ValueError, match="no such class"):
        list(forms.each(cnn_data(), MODELS, 2, work))
