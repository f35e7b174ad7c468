"""Fine-tuning and evaluating p-Models with the kit, and as plain PyTorch does it: one `nn.Module`
after another with an optimiser each, in fp32, batches of 64.

Run `python -m tests.benchmarks.p_models` with TINA_KIT_DATA set for real images (Caltech-101, 32
pixels), else on noise. `--epochs` and `--models` change the size.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.sides import arguments, compare
from tina_kit.api import TrainingOptions
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer, generator_for, resolve_precision
from tina_kit.zoo.batches import epoch_batches
from tina_kit.zoo.data import TaskData
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


def task_data(pixels: Tensor, labels: Tensor, classes: int) -> TaskData:
    return TaskData(CNN5K, lambda index: CNN5K.normalise(pixels[index]), labels, classes, {}, CPU)


def drawn(count: int, classes: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.rand(count, classes, generator=random).argsort(1)[:, :CLASSES]


def plain_zoo(data: TaskData, pixels: Tensor, tasks: Tensor, start: Tensor, epochs: int) -> None:
    average = len(data.labels) / data.class_count * CLASSES
    steps = epochs * -(-int(average) // BATCH)
    for task, vector in zip(tasks, start):
        module = assemble(CNN5K, {}, vector, CLASSES).train()
        optimizer = torch.optim.SGD(module.parameters(), lr=3e-2, momentum=0.9)
        place = torch.full((data.class_count,), -1)
        place[task] = torch.arange(CLASSES)
        random = generator_for(0, "finetune", *task.tolist())
        for batch in epoch_batches(data.images_of(task), steps, BATCH, random):
            optimizer.zero_grad()
            logits = module(CNN5K.normalise(pixels[batch]))
            F.cross_entropy(logits, place[data.labels[batch]]).backward()
            optimizer.step()


def kit_zoo(data: TaskData, tasks: Tensor, start: Tensor, epochs: int) -> None:
    options = TrainingOptions(epochs=epochs, optimizer="sgd", learning_rate=3e-2)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            label="zoo",
            stream="zoo",
            seed=0,
            device=CPU,
            precision=resolve_precision("auto", CPU),
            checkpoints=lambda name: Checkpoint(Path(folder) / f"{name}.safetensors"),
        )
        finetune(data, tasks, start, options, 0, trainer)


@torch.inference_mode()
def plain_evaluation(
    data: TaskData, pixels: Tensor, tasks: Tensor, modules: list[nn.Module]
) -> int:
    right = 0
    for task, module in zip(tasks, modules):
        place = torch.full((data.class_count,), -1)
        place[task] = torch.arange(CLASSES)
        for batch in data.images_of(task).split(BATCH):
            answers = module(CNN5K.normalise(pixels[batch])).argmax(1)
            right += int((answers == place[data.labels[batch]]).sum())
    return right


def main() -> None:
    given = arguments(__doc__, epochs=10, models=1000)
    pixels, labels, classes = images(given.tiny)
    data = task_data(pixels, labels, classes)
    zoo, epochs, evaluated = (2, 1, 3) if given.tiny else (100, given.epochs, given.models)
    layout = CNN5K.layout(CLASSES)
    start = torch.randn(evaluated, layout.size, generator=torch.Generator().manual_seed(2)) * 0.1
    tasks = drawn(evaluated, classes)
    few = slice(zoo)
    print(
        compare(
            f"zoo of {zoo} CNN-5K p-Models, {epochs} epochs, against nn.Modules in fp32",
            lambda: kit_zoo(data, tasks[few], start[few], epochs),
            lambda: plain_zoo(data, pixels, tasks[few], start[few], epochs),
            given.rounds,
        )
    )
    modules = [assemble(CNN5K, {}, vector, CLASSES) for vector in start]
    counted = evaluate(data, start, tasks, 256).correct.sum()
    plain = plain_evaluation(data, pixels, tasks, modules)
    assert abs(int(counted) - plain) <= max(2, plain // 1000), (counted, plain)
    print(
        compare(
            f"evaluating {evaluated} CNN-5K p-Models, against one nn.Module after another",
            lambda: evaluate(data, start, tasks, 256),
            lambda: plain_evaluation(data, pixels, tasks, modules),
            given.rounds,
        )
    )


if __name__ == "__main__":
    main()
