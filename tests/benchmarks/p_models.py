"""Fine-tuning and evaluating p-Models with the kit, and as plain PyTorch does it: one `nn.Module`
after another with an optimiser each, in fp32, batches of 64.

Run `python -m tests.benchmarks.p_models` with TINA_KIT_DATA set for real images (Caltech-101, 32
pixels), else on noise. `--epochs`, `--zoo` and `--models` change the size.
"""

from __future__ import annotations

import os
import tempfile
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.sides import arguments, compare
from tina_kit.api import TrainingOptions
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer, generator_for, keep_freed_memory, resolve_precision
from tina_kit.zoo.batches import epoch_batches
from tina_kit.zoo.data import TaskData, normalised
from tina_kit.zoo.evaluation import evaluate
from tina_kit.zoo.pmodel import assemble
from tina_kit.zoo.training import finetune

CLASSES, BATCH = 10, 64
CPU = torch.device("cpu")
CNN5K = CNN(CNNOptions())


def images(tiny: bool) -> tuple[Tensor, Tensor, int]:
    """uint8 `(N, 3, 32, 32)`, int64 `(N,)`, the number of classes."""
    if os.environ.get("TINA_KIT_DATA") and not tiny:
        from tina_datasets.caltech import Caltech101
        from tina_datasets.options import Caltech101Options

        data = Caltech101(Caltech101Options()).load("train")
        return data.images, data.labels, int(data.labels.max()) + 1
    random = torch.Generator().manual_seed(0)
    each, classes = (10, 20) if tiny else (68, 101)
    labels = torch.arange(classes).repeat_interleave(each)
    shape = (len(labels), 3, 32, 32)
    return torch.randint(0, 256, shape, generator=random).byte(), labels, classes


def drawn(count: int, classes: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, classes, generator=random).argsort(1)[:, :CLASSES]


@dataclass(frozen=True)
class World:
    """Images, tasks and random p-Models to start from or to evaluate."""

    pixels: Tensor
    data: TaskData
    tasks: Tensor
    vectors: Tensor
    epochs: int

    @classmethod
    def of(cls, given: Namespace, count: int) -> World:
        pixels, labels, classes = images(given.tiny)
        data = TaskData(CNN5K, reader(pixels), labels, classes, {}, CPU)
        size = CNN5K.layout(CLASSES).size
        vectors = torch.randn(count, size, generator=torch.Generator().manual_seed(2)) * 0.1
        return cls(pixels, data, drawn(count, classes), vectors, 1 if given.tiny else given.epochs)

    def places(self, task: Tensor) -> Tensor:
        places = torch.full((self.data.class_count,), -1)
        places[task] = torch.arange(CLASSES)
        return places


def reader(pixels: Tensor) -> Callable[[Tensor], Tensor]:
    return normalised(CNN5K, pixels, CPU)


def plain_zoo(given: Namespace) -> Callable[[], object]:
    world = World.of(given, 2 if given.tiny else given.zoo)
    data = world.data
    steps = world.epochs * -(-int(len(data.labels) / data.class_count * CLASSES) // BATCH)

    def work() -> None:
        for task, vector in zip(world.tasks, world.vectors):
            module = assemble(CNN5K, {}, vector, CLASSES).train()
            optimizer = torch.optim.SGD(module.parameters(), lr=3e-2, momentum=0.9)
            places = world.places(task)
            random = generator_for(0, "finetune", *task.tolist())
            for batch in epoch_batches(data.images_of(task), steps, BATCH, random):
                optimizer.zero_grad()
                logits = module(CNN5K.normalise(world.pixels[batch]))
                F.cross_entropy(logits, places[data.labels[batch]]).backward()
                optimizer.step()

    return work


def kit_zoo(given: Namespace) -> Callable[[], object]:
    keep_freed_memory()
    world = World.of(given, 2 if given.tiny else given.zoo)
    options = TrainingOptions(epochs=world.epochs, optimizer="sgd", learning_rate=3e-2)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                label="zoo",
                stream="zoo",
                seed=0,
                device=CPU,
                precision=resolve_precision("auto", CPU),
                checkpoints=lambda name: Checkpoint(Path(folder) / f"{name}.safetensors"),
            )
            finetune(world.data, world.tasks, world.vectors, options, 0, trainer)

    return work


def plain_evaluation(given: Namespace) -> Callable[[], int]:
    world = World.of(given, 3 if given.tiny else given.models)
    modules = [assemble(CNN5K, {}, vector, CLASSES) for vector in world.vectors]

    @torch.inference_mode()
    def work() -> int:
        right = 0
        for task, module in zip(world.tasks, modules):
            places = world.places(task)
            for batch in world.data.images_of(task).split(BATCH):
                answers = module(CNN5K.normalise(world.pixels[batch])).argmax(1)
                right += int((answers == places[world.data.labels[batch]]).sum())
        return right

    return work


def kit_evaluation(given: Namespace) -> Callable[[], int]:
    keep_freed_memory()
    world = World.of(given, 3 if given.tiny else given.models)
    return lambda: int(evaluate(world.data, world.vectors, world.tasks, BATCH).correct.sum())


def main() -> None:
    given = arguments(__doc__, epochs=10, zoo=100, models=1000)
    here = "tests.benchmarks.p_models"
    name = f"zoo of {given.zoo} CNN-5K p-Models, {given.epochs} epochs, against nn.Modules in fp32"
    print(compare(name, here, "kit_zoo", "plain_zoo", given))
    few = Namespace(**{**vars(given), "models": min(given.models, 20)})
    counts = [make(few)() for make in (kit_evaluation, plain_evaluation)]
    assert abs(counts[0] - counts[1]) <= max(2, counts[1] // 1000), counts
    name = f"evaluating {given.models} CNN-5K p-Models, against one nn.Module after another"
    print(compare(name, here, "kit_evaluation", "plain_evaluation", given))


if __name__ == "__main__":
    main()
