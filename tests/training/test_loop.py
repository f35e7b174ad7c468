"""The training loop: resumable to the last digit, seeded, and plain about divergence."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tina_kit.api import Observer, Step, StepInfo, TinaKitError, Training
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer, derived_seed, generator_for
from tina_kit.training.optimizer import ema_decay, learning_rate

TRAINING = Training(
    steps=25, learning_rate=0.01, warmup=3, clip=1.0, ema=0.999, checkpoint_every=10
)


class Killed(Exception):
    pass


def trainer(folder: Path, seed: int = 0) -> Trainer:
    return Trainer(
        label="fit",
        stream="fit",
        seed=seed,
        device=torch.device("cpu"),
        precision="fp32",
        checkpoints=lambda name: Checkpoint(folder / f"{name}.safetensors"),
    )


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def train(folder: Path, training: Training = TRAINING, kill_at: int | None = None, seed: int = 0):
    trained, run = module(), trainer(folder, seed)
    seen: list[int] = []

    def loss(step: Step, module: nn.Module) -> Tensor:
        if step.index == kill_at:
            raise Killed
        seen.append(step.index)
        x = torch.randn(16, 4, generator=step.random)
        return (module(x) - x.sum(1, keepdim=True)).square().mean()

    if kill_at is None:
        run(trained, loss, training)
    else:
        with pytest.raises(Killed):
            run(trained, loss, training)
    return trained.state_dict(), run.losses, seen


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_killed_training_goes_on_and_ends_with_the_same_digits(tmp_path, optimizer) -> None:
    training = Training(**{**vars(TRAINING), "optimizer": optimizer})
    whole, losses, _ = train(tmp_path / "whole", training)
    train(tmp_path / "killed", training, kill_at=17)
    resumed, again, seen = train(tmp_path / "killed", training)
    assert seen == list(range(10, 25))
    assert again == losses
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    whole, _, _ = train(tmp_path)
    again, _, seen = train(tmp_path)
    assert seen == []
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    one, two, other = (train(tmp_path / str(i), seed=i // 2)[0]["0.weight"] for i in range(3))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_calls_of_one_stage_have_their_own_checkpoints_and_draws(tmp_path: Path) -> None:
    run, drawn = trainer(tmp_path), []

    def loss(step: Step, model: nn.Module) -> Tensor:
        drawn.append(float(torch.rand((), generator=step.random)))
        return model.weight.sum()

    for _ in range(2):
        model = nn.Linear(1, 1)
        run(model, loss, Training(steps=1, learning_rate=0.1))
    assert drawn[0] != drawn[1]
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_the_result_is_the_average_of_the_weights_where_one_is_kept(tmp_path: Path) -> None:
    model = nn.Linear(1, 1, bias=False)
    weights = [model.weight.detach().clone()]

    def loss(step: Step, model: nn.Module) -> Tensor:
        if step.index:
            weights.append(model.weight.detach().clone())
        return model.weight.sum()

    training = Training(steps=3, learning_rate=0.1, schedule="constant", ema=0.9999)
    trainer(tmp_path)(model, loss, training)
    average, plain = weights[0], [*weights[1:], weights[-1] - (weights[0] - weights[1])]
    for step, weight in enumerate(plain):
        average = ema_decay(0.9999, step) * average + (1 - ema_decay(0.9999, step)) * weight
    torch.testing.assert_close(model.weight.detach(), average, atol=1e-6, rtol=1e-6)


def test_observers_are_told_the_mean_of_losses_that_are_summed(tmp_path: Path) -> None:
    class Told(Observer):
        def step(self, step: StepInfo) -> None:
            told.append(step.loss)

    told: list[float | None] = []
    run = trainer(tmp_path)
    run.observer, run.summed = Told(), 4
    x = torch.ones(4, 4)
    run(module(), lambda step, module: module(x).square().sum() + 8, replace(TRAINING, steps=3))
    losses = [loss for _, loss in run.losses[0]]
    assert told == [None, *(loss / 4 for loss in losses)]
    assert min(losses) >= 8  # what is kept is the loss as it was


def test_a_batch_in_parts_takes_the_step_of_the_whole_batch(tmp_path: Path) -> None:
    sizes: list[int] = []

    def loss(step: Step, module: nn.Module) -> Tensor:
        mine = step.share(torch.randn(10, 4, generator=step.random))
        sizes.append(len(mine))
        return (module(mine) - mine.sum(1, keepdim=True)).square().mean()

    whole, parts = trainer(tmp_path / "whole"), trainer(tmp_path / "parts")
    models = linear(), linear()
    whole(models[0], loss, TRAINING)
    parts(models[1], loss, replace(TRAINING, accumulate=4))
    assert sizes == [10] * TRAINING.steps + [3, 3, 2, 2] * TRAINING.steps
    torch.testing.assert_close(models[1].weight, models[0].weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.losses, whole.losses, rtol=1e-5, atol=1e-6)


def test_more_parts_than_examples_cost_no_more_than_one_each(tmp_path: Path) -> None:
    sizes: list[int] = []

    def loss(step: Step, module: nn.Module) -> Tensor:
        mine = step.share(torch.randn(3, 4, generator=step.random))
        sizes.append(len(mine))
        return (module(mine) - mine.sum(1, keepdim=True)).square().mean()

    whole, parts = linear(), linear()
    trainer(tmp_path / "whole")(whole, loss, replace(TRAINING, steps=1))
    sizes.clear()
    trainer(tmp_path / "parts")(parts, loss, replace(TRAINING, steps=1, accumulate=1_000))
    assert len(sizes) == 4  # the last one is empty
    torch.testing.assert_close(parts.weight, whole.weight)
    with pytest.raises(ValueError, match="accumulate is 0; give at least 1"):
        trainer(tmp_path / "none")(linear(), loss, replace(TRAINING, accumulate=0))


def test_a_batch_that_cannot_be_divided_is_computed_once_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def loss(step: Step, module: nn.Module) -> Tensor:
        calls.append(step.index)
        return module(torch.randn(10, 4, generator=step.random)).square().mean()

    whole, parts = linear(), linear()
    trainer(tmp_path / "whole")(whole, loss, TRAINING)
    calls.clear()
    trainer(tmp_path / "parts")(parts, loss, replace(TRAINING, accumulate=4))
    assert calls == list(range(TRAINING.steps))
    assert torch.equal(whole.weight, parts.weight)
    assert caplog.text.count("accumulate has no effect: its loss takes no share") == 1


def test_the_average_warms_up() -> None:
    assert ema_decay(0.9999, 0) == 0.1
    assert ema_decay(0.9999, 1000) == pytest.approx(0.991, abs=1e-3)
    assert ema_decay(0.9999, 10**6) == 0.9999


def test_the_rate_warms_up_and_falls_to_0_by_a_half_cosine() -> None:
    training = Training(steps=110, learning_rate=1.0, warmup=10)
    assert learning_rate(training, 0) == 0.1
    assert learning_rate(training, 9) == 1.0
    assert learning_rate(training, 60) == pytest.approx(0.5)
    assert learning_rate(training, 109) < 1e-3
    constant = Training(steps=110, learning_rate=1.0, schedule="constant")
    assert learning_rate(constant, 109) == 1.0


def test_divergence_is_told_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(TinaKitError, match=r"fit: training diverged: .*\. Lower learning_rate"):
        trainer(tmp_path)(model, lambda step, model: model.weight.sum() * float("nan"), TRAINING)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("first", "told_by"), [(0, 1), (1, 100), (150, 200)])
def test_divergence_of_a_long_training_is_told_early(
    tmp_path: Path, first: int, told_by: int
) -> None:
    model, steps = nn.Linear(1, 1), []

    def loss(step: Step, model: nn.Module) -> Tensor:
        steps.append(step.index)
        return model.weight.sum() * (float("nan") if step.index >= first else 1.0)

    training = Training(steps=100_000, learning_rate=1e-3, checkpoint_every=10**6)
    with pytest.raises(TinaKitError, match=rf"the loss is nan at step {told_by}\. "):
        trainer(tmp_path)(model, loss, training)
    assert len(steps) == told_by


class Overflowing(nn.Module):
    """Its loss is finite whatever becomes of its statistics."""

    statistics: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("statistics", torch.ones(2))


@pytest.mark.parametrize("at", [4, 24])
def test_weights_that_are_not_finite_are_told_at_the_next_checkpoint(
    tmp_path: Path, at: int
) -> None:
    model = Overflowing()

    def loss(step: Step, model: nn.Module) -> Tensor:
        if step.index == at:
            model.statistics[0] = torch.inf
        return model.weight.sum()

    step = 10 if at < 10 else 25
    told = rf"fit: training diverged: 'module\.statistics' has 1 infinite .* after step {step}\."
    with pytest.raises(TinaKitError, match=told):
        trainer(tmp_path)(model, loss, TRAINING)


def flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("place", [0.05, 0.4, 0.6, 0.8, 0.95, 0.999])
def test_a_damaged_checkpoint_gives_no_other_model(tmp_path: Path, caplog, place: float) -> None:
    whole, losses, _ = train(tmp_path / "whole")
    train(tmp_path / "damaged", kill_at=17)
    flip(tmp_path / "damaged" / "train-0.safetensors", place)
    again, same, seen = train(tmp_path / "damaged")
    assert seen == list(range(25)) and same == losses
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
    assert "starting from scratch" in caplog.text


def changed(change):  # type: ignore[no-untyped-def]
    """What a checkpoint holds, with something in it replaced, and saved again."""

    def misfit(path: Path) -> None:
        tensors, state = Checkpoint(path).load() or ({}, {})
        change(tensors, state)
        Checkpoint(path).save(tensors, state)

    return misfit


@pytest.mark.parametrize(
    ("misfit", "told"),
    [
        (lambda t, s: t.update({"module.0.weight": torch.ones(3)}), r"module\.0\.weight is \(3,\)"),
        (lambda t, s: t.update({"module.0.weight": t["module.0.weight"].double()}), "float64"),
        (lambda t, s: t.pop("module.1.running_mean"), r"it lacks module\.1\.running_mean"),
        (lambda t, s: t.update({"module.9.bias": torch.ones(1)}), r"module has no module\.9\.bias"),
        (lambda t, s: t.pop("ema.2"), r"it lacks ema\.2"),
        (lambda t, s: t.update({"ema.1": torch.ones(9)}), r"ema\.1 is \(9,\)"),
        (lambda t, s: t.update({"optimizer.0.exp_avg": torch.ones(9)}), "belongs to no parameter"),
        (lambda t, s: t.update({"optimizer.x.exp_avg": torch.ones(9)}), "belongs to no parameter"),
        (lambda t, s: t.pop("optimizer.0.exp_avg_sq"), "a different optimiser"),
        (lambda t, s: s.update(step=26), "does not record the progress"),
        (lambda t, s: s.update(step="x"), "does not record the progress"),
        (lambda t, s: s.pop("losses"), "does not record the progress"),
        (lambda t, s: s["training"].update(steps=30), "different training settings"),
        (lambda t, s: s.pop("training"), "different training settings"),
    ],
)
def test_a_checkpoint_of_another_training_is_named_and_not_used(
    tmp_path: Path, caplog, misfit, told: str
) -> None:
    whole, losses, _ = train(tmp_path / "whole")
    train(tmp_path / "other", kill_at=17)
    changed(misfit)(tmp_path / "other" / "train-0.safetensors")
    again, same, seen = train(tmp_path / "other")
    assert seen == list(range(25)) and same == losses
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())
    assert re.search(told, caplog.text)


def test_seeds_of_different_purposes_differ_and_stay_the_same() -> None:
    assert derived_seed(0, "fit") != derived_seed(0, "zoo") != derived_seed(1, "zoo")
    assert 0 <= derived_seed("x") < 2**63
    first = torch.rand(3, generator=generator_for(0, "fit", 1))
    assert torch.equal(first, torch.rand(3, generator=generator_for(0, "fit", 1)))
