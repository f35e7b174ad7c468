"""Stages 1 and 2: training the generic model, and fine-tuning many p-Models in parallel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from tina_kit.api import Architecture, Images, Step, Train, Training, TrainingOptions
from tina_kit.recipe.schema import GenericOptions
from tina_kit.training import Trainer, derived_seed, generator_for
from tina_kit.zoo.augment import augmented
from tina_kit.zoo.batches import (
    batches_by_epoch,
    epoch_batches,
    labels_in_tasks,
    without_absent,
)
from tina_kit.zoo.data import TaskData, prepared
from tina_kit.zoo.forms import sum_of_losses
from tina_kit.zoo.losses import cross_entropy


def train_generic(
    architecture: Architecture,
    images: Images,
    classes: int,
    options: GenericOptions,
    seed: int,
    trainer: Trainer,
) -> nn.Module:
    """Stage 1: train the classifier over all `classes`. Returns it on the CPU, in eval mode."""
    module = initial_seeded(architecture, classes, seed)
    steps = options.epochs * math.ceil(len(images.labels) / options.batch_size)
    pool = torch.arange(len(images.labels))
    random = generator_for(seed, "generic")
    batches = epoch_batches(pool, steps, options.batch_size, random)

    def inputs(pixels: Tensor) -> Tensor:
        # Channels-last makes convolutions over few channels much faster on CPUs and tensor cores.
        normalised = architecture.normalise(pixels.to(trainer.device))
        return normalised.contiguous(memory_format=torch.channels_last)

    def loss(step: Step, module: nn.Module) -> Tensor:
        batch = batches[step.index]
        pixels = step.share(augmented(images.images[batch], options.augment, step.random))
        targets = step.share(images.labels[batch]).to(trainer.device)
        return cross_entropy(module(inputs(pixels)), targets, options.label_smoothing)

    module = module.to(memory_format=torch.channels_last)
    trainer(module, loss, Training.from_options(options, steps, checkpoint_every=200))
    if options.ema:
        # Batch-norm statistics are those of the last weights, not of their average.
        update_bn(map(inputs, images.images.split(options.batch_size)), module)
    plain: nn.Module = module.cpu().to(memory_format=torch.contiguous_format)
    return plain


def initial_seeded(architecture: Architecture, classes: int, seed: int) -> nn.Module:
    """The initial module of stage 1; its random weights depend only on the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "weights"))
        return architecture.initial(classes)


class _PModels(nn.Module):
    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors)

    def forward(self) -> Tensor:
        """float32 `(M, P)`."""
        return self.vectors


def finetune(
    data: TaskData,
    tasks: Tensor,
    start: Tensor,
    options: TrainingOptions,
    seed: int,
    train: Train,
) -> Tensor:
    """Stage 2: fine-tune M p-Models at once, each on the images of its own task.

    tasks: int64 `(M, C)`, -1 where a task has fewer classes; start: float32 `(M, P)`.
    Returns float32 `(M, P)`. The loss is a sum over p-Models with independent gradients, and the
    images that a task sees depend only on the seed and the task, so a p-Model does not depend on
    the others. All take as many steps as an average task of C classes.
    """
    steps = finetuning_steps(data, tasks.shape[1], options)
    batches = torch.stack(
        [
            epoch_batches(
                data.images_of(task),
                steps,
                options.batch_size,
                generator_for(seed, "finetune", *task.tolist()),
            )
            for task in tasks
        ],
        dim=1,
    )  # (steps, M, B)
    names = labels_in_tasks(tasks, data.class_count)

    def loss(step: Step, models: nn.Module) -> Tensor:
        batch = batches[step.index]
        targets = names.gather(1, data.labels[batch])
        return summed_loss(data, models(), tasks, batch, targets, options.label_smoothing)

    models = _PModels(start.clone())
    train(models, loss, Training.from_options(options, steps, checkpoint_every=25))
    return models.vectors.detach().cpu()


def summed_loss(
    data: TaskData,
    vectors: Tensor,
    tasks: Tensor,
    index: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The sum of M p-Models' mean cross-entropies, differentiable in their vectors. As a sum it
    gives each p-Model the gradient that it would have by itself.

    vectors: float32 `(M, P)`; tasks: int64 `(M, C)`; index: int64 `(M, B)`, the images that each
    p-Model sees; targets: int64 `(M, B)` in [0, C), their labels.
    """
    targets = targets.to(data.device)

    def of_some(logits: Tensor, part: slice) -> Tensor:
        logits = without_absent(logits.float(), tasks[part]).flatten(0, 1)
        return cross_entropy(logits, targets[part].flatten(), label_smoothing)

    return sum_of_losses(data, vectors, index, tasks.shape[1], of_some)


def finetuning_steps(data: TaskData, classes: int, options: TrainingOptions) -> int:
    """The steps of every p-Model of so many classes: those of an average task."""
    images = len(data.labels) / (2 if data.mirrored else 1)
    average = images / data.class_count * classes
    return math.ceil(options.epochs * math.ceil(average / options.batch_size))


def train_further(
    data: TaskData,
    pixels: Tensor | None,
    seen: Tensor,
    start: Tensor,
    options: GenericOptions,
    seed: int,
    train: Train,
) -> Tensor:
    """Train the generic model's generated parameters for `options.epochs` more epochs, as stage 1
    does. What is not generated stays frozen.

    pixels: uint8 `(N, 3, H, W)`, the images to augment; None for p-Models that read features, which
    are computed once. seen: int64 `(K',)`, the class of each of its rows; start: float32 `(P_K',)`.
    Returns float32 `(P_K',)`.
    """
    architecture, pool = data.architecture, data.images_of(seen)
    steps = math.ceil(options.epochs * math.ceil(len(pool) / options.batch_size))
    batch_of = batches_by_epoch(
        pool, options.batch_size, lambda epoch: generator_for(seed, "further", epoch)
    )
    (names,) = labels_in_tasks(seen[None], data.class_count)

    def loss(step: Step, model: nn.Module) -> Tensor:
        batch = batch_of(step.index)
        if pixels is None or options.augment == "none":
            inputs = data.inputs(step.share(batch))
        else:
            changed = step.share(augmented(pixels[batch], options.augment, step.random))
            inputs = prepared(architecture, changed, data.device)
        logits = architecture.forward_many(model(), inputs[None], len(seen), data.frozen_here)[0]
        targets = names[data.labels[step.share(batch)]].to(data.device)
        return cross_entropy(logits.float(), targets, options.label_smoothing)

    model = _PModels(start[None].clone())
    train(model, loss, Training.from_options(options, steps, checkpoint_every=200))
    return model.vectors.detach().cpu()[0]
