"""The prompts that a Tina is trained on: text, or images."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tina_kit.api import ByClass, UserError, Zoo


class Prompts(Protocol):
    """rows: float32 `(N, D)`, all that `draw` draws from."""

    rows: Tensor

    def draw(self, pick: Tensor, random: torch.Generator) -> Tensor:
        """int64 `(B,)` tasks of the zoo → conditions, float32 `(B, C, D)`; those of absent classes
        mean nothing."""


class TextPrompts:
    """The zoo's own conditions."""

    def __init__(self, zoo: Zoo) -> None:
        self._conditions = zoo.conditions
        self.rows = zoo.conditions[zoo.tasks >= 0]

    def draw(self, pick: Tensor, random: torch.Generator) -> Tensor:
        return self._conditions[pick]


class ImageDraws:
    """For each class of each draw a random training image's embedding (Section 5.4).

    Raises UserError where there are none.
    """

    def __init__(self, zoo: Zoo) -> None:
        if zoo.images is None:
            raise UserError(
                "prompts: image: the conditioner does not accept image prompts; use one that does, "
                "like open-clip, or set prompts: text"
            )
        self._tasks, self._rows = zoo.tasks, zoo.images.rows
        used = zoo.tasks[zoo.tasks >= 0].unique()
        labels = zoo.images.labels
        kept = torch.isin(labels, used).nonzero().squeeze(1)
        self._images = ByClass(labels, int(used.max()) + 1, kept)
        if missing := used[self._images.counts[used] == 0].tolist():
            raise UserError(f"prompts: image: no training images of the classes {missing}")
        self.rows = self._rows[self._images.items]

    def draw(self, pick: Tensor, random: torch.Generator) -> Tensor:
        classes = self._tasks[pick]  # (B, C)
        uniform = torch.rand(classes.shape, generator=random, dtype=torch.float64)
        return self._rows[self._images.pick(classes, uniform)]


def mean_prompt(conditions: Tensor, present: Tensor) -> Tensor:
    """`(B, C, D)`, bool `(B, C)` → `(B, D)`: the mean over the classes that each task has."""
    return (conditions * present[..., None]).sum(1) / present.sum(1, keepdim=True).clamp(min=1)
