"""Training of the generic model and of p-Models: averages, smoothed labels, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_kit.api import Architecture, Images, Layout, Train, TrainingOptions
from tina_kit.recipe.schema import GenericOptions
from tina_kit.store import Checkpoint
from tina_kit.testing.world import Interrupted, SmallNetwork, killed
from tina_kit.training import Trainer
from tina_kit.training.optimizer import ema_decay
from tina_kit.zoo.augment import augmented, crop_and_flip
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.losses import cross_entropy
from tina_kit.zoo.training import finetune, train_further, train_generic

CPU = torch.device("cpu")
CLASSES = 4
TASKS = torch.tensor([[0, 3, 1], [2, 1, -1]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images() -> Images:
    """Images whose brightness is their class."""
    labels = torch.arange(CLASSES).repeat_interleave(12)
    noise = torch.randn(len(labels), 3, 8, 8, generator=seeded()) * 20
    return Images((noise + 60 * labels.view(-1, 1, 1, 1)).clamp(0, 255).byte(), labels)


def trainer(folder: Path) -> Trainer:
    def checkpoint(name: str) -> Checkpoint:
        return Checkpoint(folder / f"{name}.safetensors")

    return Trainer("training", "training", 0, CPU, "fp32", checkpoint)


def generic(train: Train, architecture: Architecture | None = None, **options: object) -> nn.Module:
    chosen = GenericOptions(**{"epochs": 2, "batch_size": 8, **options})  # type: ignore[arg-type]
    network = architecture or SmallNetwork()
    return train_generic(network, images(), CLASSES, chosen, 0, train)  # type: ignore[arg-type]


def tuned(train: Train, **options: object) -> Tensor:
    architecture, data = SmallNetwork(), images()
    pixels = architecture.normalise(data.images)
    frozen = {"scale": torch.tensor(2.0)}
    there = TaskData(architecture, pixels.__getitem__, data.labels, CLASSES, frozen, CPU)
    start = torch.randn(2, architecture.layout(3).size, generator=seeded()) * 0.3
    chosen = TrainingOptions(**{"epochs": 4, "batch_size": 8, **options})  # type: ignore[arg-type]
    return finetune(there, TASKS, start, chosen, 0, train)


SEEN = torch.tensor([3, 0, 2])


def further(
    train: Train, pixels: Tensor | None = None, start: Tensor | None = None, **options: object
) -> Tensor:
    """The vector of a generic model of three classes, trained for longer."""
    architecture, data = SmallNetwork(), images()
    inputs = architecture.normalise(data.images)
    frozen = {"scale": torch.tensor(2.0)}
    there = TaskData(architecture, inputs.__getitem__, data.labels, CLASSES, frozen, CPU)
    if start is None:
        start = torch.randn(architecture.layout(3).size, generator=seeded()) * 0.3
    chosen = GenericOptions(**{"epochs": 4, "batch_size": 8, **options})  # type: ignore[arg-type]
    return train_further(there, pixels, SEEN, start, chosen, 0, train)


class Noted:
    """The training loop, which also notes the weights after each step."""

    def __init__(self, folder: Path) -> None:
        self.loop: Train = trainer(folder)
        self.device = CPU
        self.seen: list[list[Tensor]] = []

    def __call__(self, module, loss, training) -> None:  # type: ignore[no-untyped-def]
        def noting(step, module):  # type: ignore[no-untyped-def]
            self.seen.append([p.detach().clone() for p in module.parameters()])
            return loss(step, module)

        self.loop(module, noting, training)


def test_fine_tuning_keeps_the_average_of_each_p_models_weights(tmp_path: Path) -> None:
    last, noted = tuned(trainer(tmp_path / "last")), Noted(tmp_path / "noted")
    averaged = tuned(noted, ema=0.9)
    weights = [step[0] for step in noted.seen]
    average = weights[0]
    for step, weight in enumerate([*weights[1:], last]):
        average = torch.lerp(average, weight, 1 - ema_decay(0.9, step))
    torch.testing.assert_close(averaged, average)
    assert not torch.allclose(averaged, last, atol=1e-4)


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize(("make", "steps"), [(generic, 12), (tuned, 20), (further, 20)])
def test_a_killed_training_ends_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[..., nn.Module | Tensor],
    steps: int,
    ema: float,
) -> None:
    def numbers(train: Train) -> dict[str, Tensor]:
        made = make(train, ema=ema, label_smoothing=0.1, learning_rate=0.01)
        return {"": made} if isinstance(made, Tensor) else dict(made.state_dict())

    monkeypatch.setattr("tina_kit.training.state.SAVING", 0)  # save after each step
    whole, dying = numbers(trainer(tmp_path / "whole")), Noted(tmp_path / "killed")
    dying.loop = killed(dying.loop)
    with pytest.raises(Interrupted):
        numbers(dying)
    again = Noted(tmp_path / "killed")
    resumed = numbers(again)
    assert len(again.seen) == steps - steps // 2
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


class _Normed(SmallNetwork):
    """Its batch-norm statistics are frozen."""

    def build(self, classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(4, classes),
        )  # fmt: skip

    def layout(self, classes: int) -> Layout:
        raise NotImplementedError

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        raise NotImplementedError


def test_batch_norm_statistics_are_those_of_the_averaged_weights(tmp_path: Path) -> None:
    network, pixels = _Normed(), images().images
    module = generic(trainer(tmp_path), network, ema=0.99, learning_rate=0.1)
    with torch.no_grad():
        batches = [module[0](network.normalise(part)) for part in pixels.split(8)]
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(module[1].running_mean, means, atol=1e-4, rtol=1e-4)
    assert not module.training


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    logits, targets = torch.randn(6, 5, generator=seeded()), torch.tensor([0, 4, 2, 1, 1, 3])
    torch.testing.assert_close(
        cross_entropy(logits, targets, 0.2), F.cross_entropy(logits, targets, label_smoothing=0.2)
    )
    assert torch.equal(cross_entropy(logits, targets), F.cross_entropy(logits, targets))


def test_absent_classes_get_no_share_of_the_target() -> None:
    logits, targets = torch.randn(6, 3, generator=seeded()), torch.tensor([0, 1, 2, 1, 1, 0])
    padded = F.pad(logits, (0, 2), value=-torch.inf).requires_grad_()
    loss = cross_entropy(padded, targets, 0.2)
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets, label_smoothing=0.2))
    (gradient,) = torch.autograd.grad(loss, padded)
    assert gradient.isfinite().all() and not gradient[:, 3:].any()


def test_smoothed_labels_change_what_is_trained(tmp_path: Path) -> None:
    plain, smooth = (tuned(trainer(tmp_path / str(s)), label_smoothing=s) for s in (0.0, 0.3))
    assert smooth.isfinite().all() and not torch.allclose(plain, smooth, atol=1e-3)


def test_flips_turn_half_of_the_images_and_move_nothing() -> None:
    pixels = torch.arange(3 * 4 * 6, dtype=torch.uint8).view(1, 3, 4, 6).repeat(400, 1, 1, 1)
    made = augmented(pixels, "flip", seeded())
    same = (made == pixels).flatten(1).all(1)
    turned = (made == pixels.flip(-1)).flatten(1).all(1)
    assert (same ^ turned).all() and 150 < int(turned.sum()) < 250
    assert torch.equal(made, augmented(pixels, "flip", seeded()))
    assert not torch.equal(made, augmented(pixels, "flip", seeded(1)))


def test_crops_move_images_by_an_eighth_at_most() -> None:
    pixels = torch.zeros(200, 3, 8, 8, dtype=torch.uint8)
    pixels[:, :, 4, 2] = 255
    made = augmented(pixels, "crop-flip", seeded())
    places = made[:, 0].nonzero()
    assert len(places) == 200
    assert set(places[:, 1].tolist()) == {3, 4, 5}
    assert set(places[:, 2].tolist()) == {1, 2, 3, 4, 5, 6}
    assert torch.equal(made, crop_and_flip(pixels, seeded()))


def test_without_augmentation_images_stay_as_they_are() -> None:
    pixels = images().images
    assert augmented(pixels, "none", seeded()) is pixels


def test_the_generic_model_is_trained_on_flipped_images(tmp_path: Path) -> None:
    plain, flipped = (
        generic(trainer(tmp_path / kind), augment=kind, learning_rate=0.05)
        for kind in ("none", "flip")
    )
    assert not torch.equal(plain.get_parameter("fc.weight"), flipped.get_parameter("fc.weight"))


def test_more_training_lowers_the_loss_on_the_images_of_the_seen_classes(tmp_path: Path) -> None:
    architecture, data = SmallNetwork(), images()
    mine = (data.labels[:, None] == SEEN).any(1)
    inputs = architecture.normalise(data.images[mine])
    targets = (data.labels[mine][:, None] == SEEN).long().argmax(1)

    def loss(vector: Tensor) -> float:
        frozen = {"scale": torch.tensor(2.0)}
        logits = architecture.forward_many(vector[None], inputs[None], len(SEEN), frozen)[0]
        return float(F.cross_entropy(logits, targets))

    start = torch.randn(architecture.layout(3).size, generator=seeded()) * 0.3
    trained = further(trainer(tmp_path), start=start.clone(), epochs=20, learning_rate=0.02)
    assert trained.shape == start.shape and loss(trained) < 0.5 * loss(start)


def test_more_training_takes_the_generic_models_own_options(tmp_path: Path) -> None:
    pixels = images().images

    def made(name: str, pixels: Tensor | None = pixels, **options: object) -> Tensor:
        return further(trainer(tmp_path / name), pixels, **options)

    plain = made("plain")
    for name, options in {
        "flip": {"augment": "flip"},
        "ema": {"ema": 0.9},
        "smooth": {"label_smoothing": 0.2},
        "rate": {"learning_rate": 0.01},
        "constant": {"schedule": "constant"},
    }.items():
        assert not torch.equal(made(name, **options), plain), name
    # Features are computed once, and so without augmentation.
    assert torch.equal(made("features", None, augment="flip"), plain)
