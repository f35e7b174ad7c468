"""Fine-tuning and evaluating ResNet-20 classifiers with the kit, which computes the features of all
images once (that counts here), and as plain PyTorch does it: one `nn.Module` after another, every
image through the frozen backbone, in fp32, batches of 64.

Run `python -m tests.benchmarks.classifiers` with TINA_KIT_DATA set for real images, else on noise.
`--zoo`, `--epochs` and `--models` change the size; `--many` is the zoo that the kit alone makes.
"""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch
from tina_architectures.options import ResNet20Options
from tina_architectures.resnet20 import ResNet20
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.images import BATCH, CLASSES, CPU, decoded, drawn, images, places
from tests.benchmarks.p_models import trainer_in
from tests.benchmarks.sides import arguments, compare
from tina_kit.api import Observer, TrainingOptions
from tina_kit.pipeline.stages.features import through
from tina_kit.store import Draft
from tina_kit.training import autocast, generator_for, keep_freed_memory, resolve_precision
from tina_kit.zoo.assembly import assemble
from tina_kit.zoo.batches import epoch_batches
from tina_kit.zoo.data import TaskData
from tina_kit.zoo.evaluation import evaluate
from tina_kit.zoo.training import finetune, initial_seeded

RESNET = ResNet20(ResNet20Options())
HERE = "tests.benchmarks.classifiers"


class World:
    """Images, tasks and the generic model's rows for each."""

    def __init__(self, given: Namespace, count: int) -> None:
        found = images(given)
        self.pixels, self.labels = found.images, found.labels
        self.classes = int(found.labels.max()) + 1
        self.generic = initial_seeded(RESNET, self.classes, 0).eval()
        self.tasks, layout = drawn(count, self.classes), RESNET.layout(self.classes)
        state = dict(self.generic.state_dict())
        self.start = layout.take_classes(layout.flatten(state).expand(count, -1), self.tasks)
        self.epochs = 1 if given.tiny else given.epochs

    def on(self, inputs: Callable[[Tensor], Tensor]) -> TaskData:
        frozen = self.generic.state_dict()
        return TaskData(RESNET, inputs, self.labels, self.classes, frozen, CPU)

    def features(self) -> TaskData:
        """As a run's stage computes them."""
        module = self.generic.to(memory_format=torch.channels_last)

        def network(some: Tensor) -> Tensor:
            return RESNET.inputs(module, some.contiguous(memory_format=torch.channels_last))

        with (
            tempfile.TemporaryDirectory() as folder,
            torch.inference_mode(),
            autocast(resolve_precision("auto", CPU), CPU),
        ):
            draft = Draft(Path(folder), Path(folder))
            rows = through(network, self.pixels, draft, "features", Observer(), cores=True)
        return self.on(rows.clone().__getitem__)

    def module(self, vector: Tensor) -> nn.Module:
        return assemble(RESNET, self.generic.state_dict(), vector, CLASSES).requires_grad_(False)


def plain_zoo(given: Namespace) -> Callable[[], object]:
    world = World(given, 2 if given.tiny else given.zoo)
    data = world.on(world.pixels.__getitem__)
    steps = world.epochs * -(-int(len(world.labels) / world.classes * CLASSES) // BATCH)

    def work() -> None:
        for task, vector in zip(world.tasks, world.start):
            module, names = world.module(vector), places(task, world.classes)
            trained = [p.requires_grad_() for p in module.get_submodule("fc").parameters()]
            optimizer = torch.optim.AdamW(trained, lr=1e-3)
            random = generator_for(0, "finetune", *task.tolist())
            for batch in epoch_batches(data.images_of(task), steps, BATCH, random):
                optimizer.zero_grad()
                logits = module(RESNET.normalise(world.pixels[batch]))
                F.cross_entropy(logits, names[world.labels[batch]]).backward()
                optimizer.step()

    return work


def kit_zoo(given: Namespace) -> Callable[[], object]:
    keep_freed_memory()
    world = World(given, 2 if given.tiny else given.zoo)
    return lambda: tune(world, world.features())


def tune(world: World, data: TaskData) -> Tensor:
    options = TrainingOptions(epochs=world.epochs)
    with tempfile.TemporaryDirectory() as folder:
        return finetune(data, world.tasks, world.start, options, 0, trainer_in(folder))


def plain_evaluation(given: Namespace) -> Callable[[], int]:
    world = World(given, 3 if given.tiny else given.models)
    data = world.on(world.pixels.__getitem__)

    @torch.inference_mode()
    def work() -> int:
        right = 0
        for task, vector in zip(world.tasks, world.start):
            module, names = world.module(vector), places(task, world.classes)
            for batch in data.images_of(task).split(BATCH):
                answers = module(RESNET.normalise(world.pixels[batch])).argmax(1)
                right += int((answers == names[world.labels[batch]]).sum())
        return right

    return work


def kit_evaluation(given: Namespace) -> Callable[[], int]:
    keep_freed_memory()
    world = World(given, 3 if given.tiny else given.models)
    return lambda: int(evaluate(world.features(), world.start, world.tasks, BATCH).correct.sum())


def alone(given: Namespace) -> str:
    """How long the kit takes for a large zoo."""
    keep_freed_memory()
    few = World(given, 2)
    tune(few, few.features())  # warm up
    world = World(given, 4 if given.tiny else given.many)
    start = time.perf_counter()
    data = world.features()
    between = time.perf_counter()
    tune(world, data)
    end = time.perf_counter()
    return (
        f"zoo of {len(world.tasks)} ResNet-20 classifiers, {world.epochs} epochs, the kit alone: "
        f"{end - start:.1f} s with features, {end - between:.1f} s on cached ones"
    )


def main() -> None:
    given = arguments(__doc__, zoo=10, epochs=10, models=200, many=1150)
    with decoded(given):
        print(alone(given), flush=True)
        name = (
            f"zoo of {given.zoo} ResNet-20 classifiers, {given.epochs} epochs, against nn.Modules"
        )
        print(compare(name, HERE, "kit_zoo", "plain_zoo", given), flush=True)
        name = (
            f"evaluating {given.models} ResNet-20 classifiers, against one nn.Module after another"
        )
        print(compare(name, HERE, "kit_evaluation", "plain_evaluation", given))


if __name__ == "__main__":
    main()
