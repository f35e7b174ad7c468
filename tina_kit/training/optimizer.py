"""The optimiser of a training, its learning rate, and the moving average of weights (EMA)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tina_kit.api import Training


def learning_rate(training: Training, step: int) -> float:
    """Linear warm-up, then constant or cosine decay to 0."""
    if step < training.warmup:
        return training.learning_rate * (step + 1) / training.warmup
    if training.schedule == "constant":
        return training.learning_rate
    progress = (step - training.warmup) / max(1, training.steps - training.warmup)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def ema_decay(decay: float, step: int) -> float:
    """The decay at a step, with a warm-up: after a few thousand steps at 0.9999 the average would
    still be mostly the initial weights."""
    return min(decay, (1 + step) / (10 + step))


def update_average(average: list[Tensor], parameters: list[nn.Parameter], share: float) -> None:
    """Update the averaged weights in place: average += share * (parameters - average)."""
    torch._foreach_lerp_(average, [p.detach() for p in parameters], share)


def make_optimizer(parameters: list[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    """The optimiser, `fused` if all parameters are on devices that support it."""
    fused = {p.device.type for p in parameters} <= {"cpu", "cuda"}
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
            fused=fused,
        )
    return torch.optim.AdamW(
        parameters,
        lr=training.learning_rate,
        betas=training.betas,
        weight_decay=training.weight_decay,
        fused=fused,
    )
