"""The definition of training: its settings, a single step, and the loop."""

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

    index: counted from 0.
    random: a CPU generator, seeded by only the run's seed and the step, so that a resumed run
        draws the same numbers as an uninterrupted one, and so do all ranks of a distributed run.
    rank, ranks: the index of this share of the batch and the number of shares: of processes, or of
        the parts that one process takes in turn (`Training.accumulate`).
    """

    index: int
    random: torch.Generator
    rank: int = 0
    ranks: int = 1

    def share(self, batch: Tensor, dim: int = 0) -> Tensor:
        """`(B, ...)` of any dtype → this rank's share of the batch along `dim`.

        All ranks draw the whole batch, and each returns the mean loss over its share. The training
        loop weights these by the shares, so that all ranks take the step that one would. A loss
        that takes no share is computed on the whole batch by one rank alone, which is right, but
        neither faster nor smaller."""
        return batch.tensor_split(self.ranks, dim)[self.rank]


@dataclass(frozen=True)
class Training:
    """Settings of the training loop.

    steps: number of optimiser steps.
    optimizer: adamw or sgd.
    learning_rate: peak learning rate, reached after `warmup` steps; schedule: its decay from there.
    weight_decay: decoupled for adamw, L2 for sgd; momentum: for sgd; betas: for adamw.
    clip: maximum gradient norm, None for no clipping.
    ema: final decay of the exponential moving average of the weights, None or 0 for no average;
        it warms up as (1 + step) / (10 + step).
    accumulate: parts that a batch is divided into, whose gradients are summed before the step.
    checkpoint_every: minimum number of steps between two checkpoints.
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
    accumulate: int = 1
    checkpoint_every: int = 100

    @classmethod
    def from_options(cls, options: Options, steps: int, **more: Any) -> Training:
        """Take settings of the same name from `options`, whose `warmup` is a share of the steps.

        more: further settings; they take precedence.
        """
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
        """Train a module in place with checkpoints, and report progress to observers.

        loss: draws its own batch and returns a scalar tensor. It must call the module it is passed,
        which may be a wrapped `module` (compiled, data-parallel). Afterwards the module is on the
        run's device, in eval mode, with the EMA weights if `training.ema` is set. Raises
        TinaKitError if the loss is not finite.
        """
