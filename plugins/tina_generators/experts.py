"""Experts on shards of the classes and their mixtures, for TAPER and TAPER-Mixer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from tina_generators.rows import ABSENT, select
from tina_kit.api import Context, UserError


def train_experts(context: Context, count: int, epochs: float) -> Tensor:
    """float32 `(count, P_K')`: the generic model fine-tuned on one shard of the classes each.

    A shard is a run of the generic model's classes, in their order. An expert's classifier rows
    of other classes stay the generic model's. Raises UserError for shards of less than two classes.
    """
    classes = context.generic_classes
    if len(classes) < 2 * count:
        raise UserError(
            f"experts: {count} experts need at least two classes each, but the generic model has "
            f"only {len(classes)}; set experts to at most {len(classes) // 2}"
        )
    rows = pad_sequence(
        list(torch.arange(len(classes)).tensor_split(count)), batch_first=True, padding_value=ABSENT
    )  # (count, C)
    shards = torch.where(rows == ABSENT, ABSENT, classes[rows])
    generic = context.generic.expand(count, -1)
    tuned = context.learning.finetune(select(context, generic, shards), shards, epochs)
    whole, part = (context.architecture.layout(n) for n in (len(classes), shards.shape[1]))
    tensors, new = whole.unflatten(generic.clone()), part.unflatten(tuned)
    expert, place = (rows != ABSENT).nonzero(as_tuple=True)
    row = rows[expert, place]
    for parameter in whole.parameters:
        if parameter.class_axis is None:
            tensors[parameter.name] = new[parameter.name]
            continue
        axis = parameter.class_axis + 1
        view = tensors[parameter.name].movedim(axis, 1)  # (count, K', ...)
        view[expert, row] = new[parameter.name].movedim(axis, 1)[expert, place]
    return whole.flatten(tensors)


def mixed(context: Context, weights: Tensor, experts: Tensor, tasks: Tensor) -> Tensor:
    """float32 `(T, P)`: the task's rows and the shared layers of the mixed model.

    weights: `(T, experts)`; experts: `(experts, P_K')`; tasks: int64 `(T, C)`.
    """
    # A matrix product would be rounded to bf16 under autocast, and parameters with it.
    shares = zip(weights.split(1, dim=1), experts.to(weights.device))
    models = torch.stack([share * expert for share, expert in shares]).sum(0)
    return select(context, models, tasks)


class MixtureLoss:
    """Mean cross-entropy of mixtures on `size` random training images of each one's task."""

    def __init__(self, context: Context, experts: Tensor, size: int) -> None:
        self.context = context
        self.experts = experts.to(context.device)
        self.frozen = {name: t.to(context.device) for name, t in context.frozen.items()}
        self.size = size

    def __call__(self, weights: Tensor, tasks: Tensor, random: torch.Generator) -> Tensor:
        """weights: `(M, experts)` on the context's device; tasks: int64 `(M, C)`."""
        context, device = self.context, self.context.device
        inputs, targets = context.learning.sample(tasks, self.size, random)
        vectors = mixed(context, weights, self.experts, tasks)
        logits = context.architecture.forward_many(
            vectors, inputs.to(device), tasks.shape[1], self.frozen
        ).float()
        logits = logits.masked_fill((tasks < 0)[:, None].to(device), -torch.inf)
        return F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten())
