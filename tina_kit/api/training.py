"""The one definition of a training: its settings, a step of it, and the loop that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tina_kit.api.options import Options


@dataclass(frozen=True)
class Step:
    """One training step.

    index: counts from 0.
    random: on the CPU, seeded by the run's seed and the step alone, so that a resumed run draws
        what an undisturbed one draws, and every rank of a distributed run draws the same.
    rank, ranks: which of how many processes this is.
    """

    index: int
    random: torch.Generator
    rank: int = 0
    ranks: int = 1

    def share(self, batch: Tensor, dim: int = 0) -> Tensor:
        """`(B, ...)` of any dtype → the part of the batch that this rank computes; all of it where
        there is one rank."""
        return batch.tensor_split(self.ranks, dim)[self.rank]


@dataclass(frozen=True)
class Training:
    """Settings of the training loop.

    steps: optimiser steps, each on one loss.
    learning_rate: peak rate, reached after `warmup` steps; schedule: how it falls from there.
    optimizer: which one; weight_decay: decoupled for adamw, L2 for sgd; momentum: for sgd; betas:
        for adamw.
    clip: the largest norm of the gradient, None for no limit.
    ema: the final decay of averaged weights, None or 0 for none; it warms up as
        (1 + step) / (10 + step).
    checkpoint_every: the least number of steps between two checkpoints.
    """

    steps: int
    learning_rate: float
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: int = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    clip: float | None = None
    ema: float | None = None
    checkpoint_every: int = 100

    @classmethod
    def from_options(cls, options: Options, steps: int, **more: Any) -> Training:
        """The settings that `options` has under the same names. Its `warmup` is a share of the
        steps. more: settings that the options lack."""
        own = {field.name for field in fields(cls)} - {"steps", "warmup"}
        taken = {name: getattr(options, name) for name in own if hasattr(options, name)}
        warmup = round(getattr(options, "warmup", 0.0) * steps)
        return cls(**{"steps": steps, "warmup": warmup, **taken, **more})


class Train(Protocol):
    """The training loop."""

    def __call__(
        self,
        module: nn.Module,
        loss: Callable[[Step, nn.Module], Tensor],
        training: Training,
    ) -> None:
        """Train a module in place, resumably, and tell observers how it goes.

        loss: draws its own batch and returns a scalar tensor. It calls the module it is given,
        which may be a wrapped form of `module` (compiled, data-parallel). The module ends on the
        run's device, in eval mode, with its EMA weights where `training.ema` is set. Raises
        TinaKitError when the loss is no longer finite.
        """
