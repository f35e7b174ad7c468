"""Fine-tuning and evaluating CNN-5K p-Models with the kit, and as plain PyTorch does it: one
`nn.Module` after another with an optimiser each, in fp32, batches of 64.

Run `python -m tests.benchmarks.p_models` with TINA_KIT_DATA set for real images (Caltech-101, 32
pixels), else on noise. `--epochs`, `--zoo` and `--models` change the size.
"""

from __future__ import annotations

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

from tests.benchmarks.images import BATCH, CLASSES, CPU, decoded, drawn, images, places
from tests.benchmarks.sides import arguments, compare
from tina_kit.api import TrainingOptions
from tina_kit.recipe.schema import EvaluationOptions, GenericOptions
from tina_kit.store import Checkpoint
from tina_kit.training import Trainer, generator_for, keep_freed_memory, resolve_precision
from tina_kit.zoo.assembly import assemble
from tina_kit.zoo.batches import epoch_batches
from tina_kit.zoo.data import TaskData, normalised
from tina_kit.zoo.evaluation import evaluate
from tina_kit.zoo.training import finetune, train_generic

CNN5K = CNN(CNNOptions())


@dataclass(frozen=True)
class World:
    """Images, tasks, and p-Models to start from or to evaluate: a generic model limited to a task's
    classes, with noise on every parameter, so that p-Models differ as generated ones do."""

    pixels: Tensor
    data: TaskData
    tasks: Tensor
    vectors: Tensor
    epochs: int

    @classmethod
    def of(cls, given: Namespace, count: int) -> World:
        found = images(given)
        classes = int(found.labels.max()) + 1
        inputs = normalised(CNN5K, found.images, CPU)
        data = TaskData(CNN5K, inputs, found.labels, classes, {}, CPU)
        tasks, random = drawn(count, classes), torch.Generator().manual_seed(2)
        options = GenericOptions(epochs=1 if given.tiny else 5, learning_rate=3e-3)
        with tempfile.TemporaryDirectory() as folder:
            trained = train_generic(CNN5K, found, classes, options, 0, trainer_in(folder))
        layout = CNN5K.layout(classes)
        generic = layout.flatten(trained.state_dict()).detach()
        vectors = layout.take_classes(generic.expand(count, -1), tasks)
        vectors += 0.1 * vectors.std() * torch.randn(vectors.shape, generator=random)
        epochs = 1 if given.tiny else given.epochs
        return cls(found.images, data, tasks, vectors, epochs)


def trainer_in(folder: str) -> Trainer:
    return Trainer(
        label="zoo",
        stream="zoo",
        seed=0,
        device=CPU,
        precision=resolve_precision("auto", CPU),
        checkpoints=lambda name: Checkpoint(Path(folder) / f"{name}.safetensors"),
    )


def plain_zoo(given: Namespace) -> Callable[[], object]:
    world = World.of(given, 2 if given.tiny else given.zoo)
    data = world.data
    steps = world.epochs * -(-int(len(data.labels) / data.class_count * CLASSES) // BATCH)

    def work() -> None:
        for task, vector in zip(world.tasks, world.vectors):
            module = assemble(CNN5K, {}, vector, CLASSES).train()
            optimizer = torch.optim.SGD(module.parameters(), lr=3e-2, momentum=0.9)
            names = places(task, data.class_count)
            random = generator_for(0, "finetune", *task.tolist())
            for batch in epoch_batches(data.images_of(task), steps, BATCH, random):
                optimizer.zero_grad()
                logits = module(CNN5K.normalise(world.pixels[batch]))
                F.cross_entropy(logits, names[data.labels[batch]]).backward()
                optimizer.step()

    return work


def kit_zoo(given: Namespace) -> Callable[[], object]:
    keep_freed_memory()
    world = World.of(given, 2 if given.tiny else given.zoo)
    options = TrainingOptions(epochs=world.epochs, optimizer="sgd", learning_rate=3e-2)

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            finetune(world.data, world.tasks, world.vectors, options, 0, trainer_in(folder))

    return work


def plain_evaluation(given: Namespace) -> Callable[[], int]:
    world = World.of(given, 3 if given.tiny else given.models)
    modules = [assemble(CNN5K, {}, vector, CLASSES) for vector in world.vectors]

    @torch.inference_mode()
    def work() -> int:
        right = 0
        for task, module in zip(world.tasks, modules):
            names = places(task, world.data.class_count)
            for batch in world.data.images_of(task).split(BATCH):
                answers = module(CNN5K.normalise(world.pixels[batch])).argmax(1)
                right += int((answers == names[world.data.labels[batch]]).sum())
        return right

    return work


def kit_evaluation(given: Namespace) -> Callable[[], int]:
    keep_freed_memory()
    world = World.of(given, 3 if given.tiny else given.models)
    batch = EvaluationOptions().batch_size
    return lambda: int(evaluate(world.data, world.vectors, world.tasks, batch).correct.sum())


def main() -> None:
    given = arguments(__doc__, epochs=10, zoo=100, models=1000)
    here = "tests.benchmarks.p_models"
    with decoded(given):
        name = f"zoo of {given.zoo} CNN-5K, {given.epochs} epochs, against nn.Modules in fp32"
        print(compare(name, here, "kit_zoo", "plain_zoo", given), flush=True)
        few = Namespace(**{**vars(given), "models": min(given.models, 20)})
        counts = [make(few)() for make in (kit_evaluation, plain_evaluation)]
        assert abs(counts[0] - counts[1]) <= max(2, counts[1] // 1000), counts
        name = f"evaluating {given.models} CNN-5K, against one nn.Module after another"
        print(compare(name, here, "kit_evaluation", "plain_evaluation", given))


if __name__ == "__main__":
    main()
