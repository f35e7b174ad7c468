"""Stage 1 and 2: the generic model, and many p-Models fine-tuned side by side."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_kit.api import Architecture, Images, Step, Training, TrainingOptions
from tina_kit.training import Trainer, derived_seed, generator_for
from tina_kit.zoo.batches import epoch_batches, images_of_classes, labels_in_tasks


def train_generic(
    architecture: Architecture,
    images: Images,
    classes: int,
    options: TrainingOptions,
    seed: int,
    trainer: Trainer,
) -> nn.Module:
    """Stage 1: train the classifier over all classes. Returns it on the CPU, in eval mode."""
    module = build_seeded(architecture, classes, seed)
    steps = options.epochs * math.ceil(len(images.labels) / options.batch_size)
    pool = torch.arange(len(images.labels))
    random = generator_for(seed, "generic")
    batches = epoch_batches(pool, steps, options.batch_size, random)

    def loss(step: Step) -> Tensor:
        batch = batches[step.index]
        inputs = architecture.normalise(images.images[batch].to(trainer.device))
        return F.cross_entropy(module(inputs), images.labels[batch].to(trainer.device))

    trainer(module, loss, _training(options, steps, checkpoint_every=200))
    return module.cpu()


def build_seeded(architecture: Architecture, classes: int, seed: int) -> nn.Module:
    """A fresh module whose weights depend on nothing but the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        return architecture.build(classes)


class _PModels(nn.Module):
    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors)


def finetune(
    architecture: Architecture,
    inputs: Tensor,
    labels: Tensor,
    classes: int,
    tasks: Tensor,
    start: Tensor,
    options: TrainingOptions,
    seed: int,
    trainer: Trainer,
) -> Tensor:
    """Stage 2: M p-Models at once, each on the images of its own task.

    inputs: what `architecture.inputs` gave, `(N, ...)`; labels: int64 `(N,)` in [0, classes).
    tasks: int64 `(M, C)`; start: float32 `(M, P)`.
    Returns float32 `(M, P)`. The loss is a sum over p-Models, whose gradients are each one's own,
    and the images a task sees depend on the seed and the task alone: a p-Model does not know which
    others are trained beside it. All take the steps of an average task.
    """
    pools = images_of_classes(labels, classes)
    average = len(labels) / classes * tasks.shape[1]
    steps = options.epochs * math.ceil(average / options.batch_size)
    batches = torch.stack(
        [
            epoch_batches(
                torch.cat([pools[index] for index in task]),
                steps,
                options.batch_size,
                generator_for(seed, "finetune", *task),
            )
            for task in tasks.tolist()
        ],
        dim=1,
    )  # (steps, M, B)
    names = labels_in_tasks(tasks, classes)
    models = _PModels(start.clone())
    row = torch.arange(len(tasks))[:, None]

    def loss(step: Step) -> Tensor:
        batch = batches[step.index]
        logits = architecture.forward_many(
            models.vectors, inputs[batch].to(trainer.device), tasks.shape[1]
        )
        target = names[row, labels[batch]].to(trainer.device)
        return F.cross_entropy(logits.flatten(0, 1).float(), target.flatten()) * len(tasks)

    trainer(models, loss, _training(options, steps, checkpoint_every=25))
    return models.vectors.detach().cpu()


def _training(options: TrainingOptions, steps: int, checkpoint_every: int) -> Training:
    return Training(
        steps=steps,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
        weight_decay=options.weight_decay,
        momentum=options.momentum,
        warmup=round(options.warmup * steps),
        schedule=options.schedule,
        checkpoint_every=checkpoint_every,
    )
