"""What a generator finds in its context in place of what it may not use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tina_kit.api import Step, Training

_MAY_NOT = (
    "a generator may look at training images in `fit` alone, and only where `learns_from` has "
    '"images"'
)


def no_training(
    module: nn.Module, loss: Callable[[Step, nn.Module], Tensor], training: Training
) -> None:
    raise RuntimeError("a generator may train in `fit` alone")


def no_look(tasks: Tensor) -> Tensor:
    raise RuntimeError("only a generator that says `personalises` may look at p-Models")


class NoImages:
    """`Context.learning` of a generator that must not use it."""

    def sample(self, tasks: Tensor, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        raise RuntimeError(_MAY_NOT)

    def loss(
        self,
        vectors: Tensor,
        tasks: Tensor,
        size: int,
        random: torch.Generator,
        flip: bool = False,
        step: Step | None = None,
    ) -> Tensor:
        raise RuntimeError(_MAY_NOT)

    def finetune(self, start: Tensor, tasks: Tensor, epochs: float) -> Tensor:
        raise RuntimeError(_MAY_NOT)

    def train_generic(self, start: Tensor, epochs: float) -> Tensor:
        raise RuntimeError(_MAY_NOT)

    @property
    def zoo_epochs(self) -> float:
        raise RuntimeError(_MAY_NOT)
