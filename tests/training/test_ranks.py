"""Ranks that train together take the steps that one would take alone."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.forked import spawned
from tina_kit.api import Step, Training, UserError
from tina_kit.store import Checkpoint
from tina_kit.training import Ranks, Trainer, check_devices
from tina_kit.training.launching import free_port
from tina_kit.training.ranks import cores

TRAINING = Training(steps=12, learning_rate=0.01, warmup=3, clip=1.0, ema=0.999, checkpoint_every=5)
IN_PARTS = replace(TRAINING, accumulate=2)
CPU = torch.device("cpu")


class Stopped(Exception):
    pass


class Network(nn.Module):
    """Some ranks' shares do not use all of its layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.always, self.seldom, self.never = nn.Linear(4, 1), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        large = x[:, :1] > 1.5
        made: Tensor = self.always(x)
        return made + large * self.seldom(x) if large.any() else made


def loss(
    step: Step, module: nn.Module, size: int = 16, shared: bool = True, end: int = 99
) -> Tensor:
    if step.index == end:
        raise Stopped
    x = torch.randn(size, 4, generator=step.random)
    mine = step.share(x) if shared else x
    return (module(mine) - mine.sum(1, keepdim=True)).square().mean()


def with_batch_norm() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)
    return nn.Sequential(*layers)


def convolutions() -> nn.Module:
    """Of sizes that are laid out in memory in different ways."""
    torch.manual_seed(0)
    layers = nn.Unflatten(1, (4, 1, 1)), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 1, 3, padding=1)
    network = nn.Sequential(*layers, nn.Flatten())
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


CASES = {
    "shared": (Network, loss),
    "in parts": (Network, loss),
    "fewer examples than ranks": (Network, partial(loss, size=1)),
    "bf16": (Network, loss),
    "no share": (Network, partial(loss, shared=False)),
    "batch norm": (with_batch_norm, loss),
    "convolutions": (convolutions, loss),
}


def train_all(ranks: Ranks, folder: Path) -> None:
    """Each case on these ranks; the trained weights and losses of this one go to a file."""
    for name, (build, of_step) in CASES.items():
        module = build()
        trainer = trainer_of(ranks, folder / f"{name}-{ranks.index}", name)
        measured: list[float] = []
        if ranks.several:
            trainer.probe, trainer.measurements = partial(noted, measured), 3
        trainer(module, of_step, IN_PARTS if name == "in parts" else TRAINING)
        losses = torch.tensor([value for _, value in trainer.losses[0]])
        kept = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
        kept["losses"] = losses
        (folder / f"{name}-{ranks.index}.measured").write_text(str(len(measured)))
        save_file(kept, folder / f"{name}-{ranks.index}.safetensors")


def noted(measured: list[float], module: nn.Module) -> float:
    measured.append(0.0)
    return 0.0


def trainer_of(ranks: Ranks, folder: Path, name: str = "") -> Trainer:
    folder.mkdir(exist_ok=True)
    precision = "bf16" if name == "bf16" else "fp32"
    return Trainer("fit", "fit", 0, CPU, precision, lambda n: Checkpoint(folder / n), ranks=ranks)


def a_rank(index: int, count: int, port: int, folder: Path) -> None:
    os.environ |= {"RANK": str(index), "WORLD_SIZE": str(count), "LOCAL_RANK": str(index)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = Ranks.of_environment()
    ranks.join(CPU)
    train_all(ranks, folder)
    module = Network()
    trainer_of(ranks, folder / "begun")(module, loss, TRAINING)
    save_file(module.state_dict(), folder / f"continued-{index}.safetensors")


def together(count: int, folder: Path) -> Path:
    """`train_all` on so many ranks, after which they continue what `begun` has begun."""
    port = free_port()
    started = [spawned(a_rank, index, count, port, folder) for index in range(count)]
    for process in started:
        process.join(100)
    assert [process.exitcode for process in started] == [0] * count
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train_all(Ranks(), folder)
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"ranks-{request.param}")
    with pytest.raises(Stopped):
        trainer_of(Ranks(), folder / "begun")(Network(), partial(loss, end=7), TRAINING)
    return together(request.param, folder)


def read(folder: Path, name: str) -> dict[str, Tensor]:
    return load_file(folder / f"{name}.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["shared", "in parts", "fewer examples than ranks", "convolutions"]
)
def test_ranks_compute_what_one_computes(name: str, alone: Path, several: Path) -> None:
    one, first = read(alone, f"{name}-0"), read(several, f"{name}-0")
    torch.testing.assert_close(first, one, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_ranks_compute_what_one_computes_in_bf16(alone: Path, several: Path) -> None:
    one, first = read(alone, "bf16-0"), read(several, "bf16-0")
    torch.testing.assert_close(first, one, rtol=1e-2, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("several", [2], indirect=True)
def test_two_ranks_compute_the_same_digits_as_one_in_two_parts(alone: Path, several: Path) -> None:
    one, first = read(alone, "in parts-0"), read(several, "in parts-0")
    assert all(torch.equal(first[key], tensor) for key, tensor in one.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["no share", "batch norm"])
def test_what_cannot_be_shared_is_trained_as_by_one(name: str, alone: Path, several: Path) -> None:
    one, first = read(alone, f"{name}-0"), read(several, f"{name}-0")
    assert all(torch.equal(first[key], tensor) for key, tensor in one.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_end_with_the_same_digits(name: str, several: Path) -> None:
    first, second = read(several, f"{name}-0"), read(several, f"{name}-1")
    assert all(torch.equal(first[key], tensor) for key, tensor in second.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_only_the_first_rank_measures(name: str, several: Path) -> None:
    count = [int((several / f"{name}-{index}.measured").read_text()) for index in range(2)]
    assert count == [3, 0]


@pytest.mark.slow
def test_a_training_goes_on_with_another_number_of_ranks(alone: Path, several: Path) -> None:
    one = read(alone, "shared-0")
    del one["losses"]
    torch.testing.assert_close(read(several, "continued-0"), one, rtol=1e-5, atol=1e-6)
    assert not list(several.glob("shared-1/*")), "only the first rank saves checkpoints"


def test_devices_that_are_not_there_are_a_mistake() -> None:
    with pytest.raises(UserError, match=f"this machine has {cores()} core"):
        check_devices(cores() + 1, "cpu")
    with pytest.raises(UserError, match="write --device cuda without a number"):
        check_devices(1, "cuda:1")
    check_devices(cores(), "cpu")


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")  # as other programs name theirs
    assert Ranks.of_environment().count == 1
