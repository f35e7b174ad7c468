"""A small world for generators: p-Models, prompts and images that tell the same story, and a
Context with the real training loop. A second is enough to learn in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_kit.api import (
    Architecture,
    Context,
    ImagePrompts,
    Layout,
    Learning,
    Parameter,
    Step,
    Train,
    Training,
    TrainingOptions,
    Zoo,
)
from tina_kit.recipe.schema import GenericOptions
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.training import finetune, summed_loss, train_further

CLASSES = 20  # of the data set
TASK = 4  # classes of a task
IMAGES, SIDE = 8, 8  # of a class, and their height and width


class SmallNetwork(Architecture):
    """Two convolutions and a classifier, all generated, and one frozen number: the features'
    scale."""

    widths = (4, 6)

    def build(self, classes: int) -> nn.Module:
        return _Network(self.widths, classes)

    def layout(self, classes: int) -> Layout:
        first, second = self.widths
        return Layout(
            (
                Parameter("conv1.weight", (first, 3, 3, 3), layer="conv1"),
                Parameter("conv2.weight", (second, first, 3, 3), layer="conv2"),
                Parameter("fc.weight", (classes, second), layer="fc.weight", class_axis=0),
                Parameter("fc.bias", (classes,), layer="fc.bias", class_axis=0),
            ),
            chain=True,
        )

    def normalise(self, images: Tensor) -> Tensor:
        return images.float() / 127.5 - 1

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        weights = self.layout(classes).unflatten(vectors)
        models, batch = inputs.shape[:2]
        x = inputs.transpose(0, 1).flatten(1, 2)  # (B, M·3, H, W)
        x = F.relu(F.conv2d(x, weights["conv1.weight"].flatten(0, 1), None, 2, 1, groups=models))
        x = F.relu(F.conv2d(x, weights["conv2.weight"].flatten(0, 1), None, 1, 1, groups=models))
        x = x.mean((2, 3)).view(batch, models, -1).transpose(0, 1) * frozen["scale"]
        return x @ weights["fc.weight"].transpose(1, 2) + weights["fc.bias"][:, None]


class _Network(nn.Module):
    def __init__(self, widths: tuple[int, int], classes: int) -> None:
        super().__init__()
        first, second = widths
        self.conv1 = nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1, bias=False)
        self.scale = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.fc = nn.Linear(second, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x)))).mean((2, 3))
        logits: Tensor = self.fc(x * self.scale)
        return logits


class World:
    """20 classes, tasks of four. Classifier rows are a linear function of the class's condition,
    and so are the colours of its images.

    folder: for checkpoints; architecture: any that has a classifier.
    looks: how often `personalise` was asked.
    """

    width = 16

    def __init__(self, folder: Path, architecture: Architecture | None = None) -> None:
        self.folder = folder
        self.architecture = architecture or SmallNetwork()
        self.looks = 0
        self._trainer: Trainer | None = None
        self._numbers = count()
        random = torch.Generator().manual_seed(1)
        self.rows = torch.randn(CLASSES, self.width, generator=random)
        weight = self._classifier(TASK)
        entries = weight.size // TASK
        self.mapping = torch.randn(self.width, entries, generator=random)
        self.padding = torch.randn(self.width, generator=random)

    @property
    def losses(self) -> list[float]:
        """Of the last training, the mean of every hundredth of its steps."""
        told = self._trainer.losses[-1] if self._trainer and self._trainer.losses else []
        return [loss for _, loss in told]

    def context(
        self,
        precision: str = "fp32",
        device: torch.device | None = None,
        run: str | None = None,
        **changes: Any,
    ) -> Context:
        """What a generator may know here. run: a name; what trained under it before goes on from
        its checkpoints. changes: of the context's fields."""
        device = device or torch.device("cpu")
        place = self.folder / (run or f"run-{next(self._numbers)}")

        def trainer(label: str) -> Trainer:
            def checkpoint(name: str) -> Checkpoint:
                return Checkpoint(place / f"{label}-{name}.safetensors")

            return Trainer(label, label, 0, device, precision, checkpoint)

        self._trainer = trainer("fit")
        plain = Context(
            architecture=self.architecture,
            classes=TASK,
            class_count=CLASSES,
            width=self.width,
            padding=self.padding,
            generic=self.generic,
            generic_classes=torch.arange(CLASSES),
            frozen=self.frozen,
            device=device,
            train=self._trainer,
            learning=self.learning(trainer("finetune"), device),
            personalise=self.personalise,
        )
        return replace(plain, **changes)

    @cached_property
    def frozen(self) -> dict[str, Tensor]:
        """The generic model's state."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return dict(self.architecture.build(CLASSES).state_dict())

    @property
    def generic(self) -> Tensor:
        """float32 `(P_K,)`."""
        return self.architecture.layout(CLASSES).flatten(self.frozen)

    def tasks(
        self, number: int, smallest: int = TASK, classes: int = TASK, seed: int = 2
    ) -> Tensor:
        """int64 `(number, classes)`, of `smallest` classes at least, else -1."""
        return self.zoo(number, smallest, classes, seed).tasks

    def conditions(self, tasks: Tensor) -> Tensor:
        """float32 `(T, C, D)`, the padding prompt where a class is absent."""
        return torch.cat([self.rows, self.padding[None]])[tasks]

    def zoo(self, tasks: int = 40, smallest: int = TASK, classes: int = TASK, seed: int = 2) -> Zoo:
        """smallest: tasks have from so many classes on, drawn evenly."""
        random = torch.Generator().manual_seed(seed)
        size = self.architecture.layout(classes).size
        drawn = torch.rand(tasks, CLASSES, generator=random).argsort(1)[:, :classes]
        noise = torch.randn(tasks, size, generator=random) * 0.01
        sizes = torch.randint(smallest, classes + 1, (tasks, 1), generator=random)
        drawn = drawn.where(torch.arange(classes) < sizes, -1)
        return Zoo(drawn, self.conditions(drawn), self._p_models(drawn, noise))

    def images(self, each: int = 5) -> ImagePrompts:
        """Noisy versions of each class's condition, in no order, more of some classes."""
        random = torch.Generator().manual_seed(3)
        labels = torch.arange(CLASSES).repeat(each)
        labels = torch.cat([labels, torch.arange(7)])
        labels = labels[torch.randperm(len(labels), generator=random)]
        noise = torch.randn(len(labels), self.width, generator=random) * 0.05
        return ImagePrompts(self.rows[labels] + noise, labels)

    def personalise(self, tasks: Tensor) -> Tensor:
        """int64 `(T, C)` → float32 `(T, P)`: the p-Models of these tasks."""
        self.looks += 1
        return self._p_models(tasks)

    def learning(self, train: Train, device: torch.device) -> Learning:
        random = torch.Generator().manual_seed(4)
        labels = torch.arange(CLASSES).repeat_interleave(IMAGES)
        colours = 127 + 40 * self.rows[labels, :3]
        noise = torch.randn(len(labels), 3, SIDE, SIDE, generator=random) * 20
        pixels = (colours[..., None, None] + noise).clamp(0, 255).byte()
        architecture = self.architecture
        data = TaskData(
            architecture=architecture,
            inputs=lambda index: architecture.arrange(
                architecture.normalise(pixels[index].to(device))
            ),
            labels=labels,
            class_count=CLASSES,
            frozen=self.frozen,
            device=device,
        )
        return _Learning(data, train)

    def _p_models(self, tasks: Tensor, noise: Tensor | None = None) -> Tensor:
        layout = self.architecture.layout(tasks.shape[1])
        vectors = torch.zeros(len(tasks), layout.size) if noise is None else noise.clone()
        weight = self._classifier(tasks.shape[1])
        rows = (self.rows @ self.mapping)[tasks]
        if weight.class_axis:
            rows = rows.unflatten(-1, _without(weight.shape, weight.class_axis))
            rows = rows.movedim(1, weight.class_axis + 1)
        vectors[:, layout.slices[weight.name]] += rows.flatten(1)
        owner = layout.class_of_entries()
        return vectors * ((tasks >= 0)[:, owner] | (owner < 0))

    def _classifier(self, classes: int) -> Parameter:
        """The largest parameter that is indexed by class."""
        parameters = self.architecture.layout(classes).parameters
        indexed = [p for p in parameters if p.class_axis is not None]
        return max(indexed, key=lambda parameter: parameter.size)


class _Learning:
    """The training images of a world."""

    zoo_epochs = 2.0

    def __init__(self, data: TaskData, train: Train) -> None:
        self.data, self.train = data, train

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen, targets = self._draw(tasks, size, random)
        return self.data.inputs(chosen), targets

    def loss(
        self,
        vectors: Tensor,
        tasks: Tensor,
        size: int,
        random: torch.Generator,
        flip: bool = False,
        step: Step | None = None,
    ) -> Tensor:
        drawn = (tasks, *self._draw(tasks, size, random))
        tasks, index, targets = map(step.share, drawn) if step else drawn
        return summed_loss(self.data, vectors, tasks, index, targets) / len(tasks)

    def _draw(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        uniform = torch.rand(len(tasks), size, generator=random)
        return self.data.by_class.pick_of_tasks(tasks, uniform)

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        options = TrainingOptions(epochs=epochs, batch_size=8)
        return finetune(self.data, tasks, start, options, 0, self.train)

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        options = GenericOptions(batch_size=8).model_copy(update={"epochs": epochs})
        seen = torch.arange(CLASSES)
        return train_further(self.data, None, seen, start, options, 0, self.train)


class Interrupted(Exception):
    """A training that was killed."""


def killed(train: Train) -> Train:
    """The loop, whose first training saves often and is killed half-way."""

    def half(
        module: nn.Module, loss: Callable[[Step, nn.Module], Tensor], training: Training
    ) -> None:
        def until(step: Step, module: nn.Module) -> Tensor:
            if step.index >= training.steps // 2:
                raise Interrupted
            return loss(step, module)

        train(module, until, replace(training, checkpoint_every=1))

    return half


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
