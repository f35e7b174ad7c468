"""Classes without a row of their own, as mixtures of the classes that have one."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the ridge, as shares of a kernel value at distance 0."""


class Mixtures:
    """How prompts of unknown classes are made of known ones: kernel ridge regression from
    conditions to classifier rows, whose prediction is a weighted sum of the known rows.

    The kernel is exp(-d² / mean d²); the strength of the ridge is the one of `STRENGTHS` that
    predicts each known row best from the others.

    known: float32 `(N, D)`, the conditions of N classes; rows: float32 `(N, W)`, their rows.
    """

    def __init__(self, known: Tensor, rows: Tensor) -> None:
        self._known, self._rows = known.double(), rows.double()

    def of(self, conditions: Tensor) -> Tensor:
        """float32 `(…, D)` → weights of the known classes that add up to 1, float32 `(…, N)`."""
        kernel = self._kernel(conditions.double().flatten(0, -2))
        weights = _with_the_mean(kernel @ self._inverse)
        return weights.float().view(*conditions.shape[:-1], len(self._known))

    @cached_property
    def without_itself(self) -> Tensor:
        """float32 `(N, N)`: the weights that each known class would have if it were unknown."""
        return _left_out(self._inverse).float()

    @cached_property
    def _inverse(self) -> Tensor:
        kernel = self._kernel(self._known)
        one = torch.eye(len(kernel), dtype=kernel.dtype)
        inverses: list[Tensor] = [
            torch.linalg.inv(kernel + strength * one) for strength in STRENGTHS
        ]
        errors = [float((_left_out(each) @ self._rows - self._rows).norm()) for each in inverses]
        return inverses[errors.index(min(errors))]

    def _kernel(self, conditions: Tensor) -> Tensor:
        """float64 `(M, D)` → `(M, N)`."""
        scale = torch.cdist(self._known, self._known).square().mean()
        squares = torch.cdist(conditions, self._known).square()
        return torch.exp(-squares / scale.clamp(min=torch.finfo(scale.dtype).tiny))


def _left_out(inverse: Tensor) -> Tensor:
    """The weights of all other classes for each, from the inverse of the ridged kernel."""
    count = len(inverse)
    if count == 1:  # there is nothing else to be made of
        return torch.ones_like(inverse)
    weights = -inverse / inverse.diagonal()[:, None]
    weights.fill_diagonal_(0)
    missing = (1 - weights.sum(1, keepdim=True)) / (count - 1)
    return (weights + missing).fill_diagonal_(0)


def _with_the_mean(weights: Tensor) -> Tensor:
    """Adds the mean of all classes so that each row of weights adds up to 1."""
    return weights + (1 - weights.sum(1, keepdim=True)) / weights.shape[1]
