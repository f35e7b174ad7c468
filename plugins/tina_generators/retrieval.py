"""Retrieval: the p-Model of the nearest ID task, the control for memorisation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from tina_generators.options_compared import RetrievalOptions
from tina_generators.rows import ABSENT, take_rows
from tina_kit.api import Generator, Request, UserError, Zoo, save_tensors

PART = 16  # tasks that are compared with all ID tasks at once
NEVER = -2.0  # below every cosine


class Retrieval(Generator):
    """The similarity of two tasks is that of the best assignment of their prompts: the mean cosine
    of the assigned pairs of centred conditions. The retrieved classifier rows are sorted in the
    order of the requested prompts."""

    vectors: Tensor
    directions: Tensor
    centre: Tensor
    present: Tensor

    def __init__(self, options: RetrievalOptions) -> None:
        pass

    def fit(self, zoo: Zoo) -> None:
        self.vectors, self.present = zoo.vectors, zoo.tasks >= 0
        self.centre = zoo.conditions[self.present].mean(0)
        self.directions = self._direction(zoo.conditions)

    def _direction(self, conditions: Tensor) -> Tensor:
        return F.normalize(conditions - self.centre, dim=-1)

    def generate(self, request: Request) -> Tensor:
        present = self._present(request)
        needed, largest = int(present.sum(1).max()), int(self.present.sum(1).max())
        if needed > largest:
            raise UserError(
                f"retrieval: {needed} classes were requested, but no ID task has more than "
                f"{largest}"
            )
        prompts = self._direction(request.conditions)
        picks: list[int] = []
        rows = torch.full(present.shape, ABSENT)
        for part, there in zip(prompts.split(PART), present.split(PART)):
            similarity, bound = self._compare(part, there)
            for table, limit, mask in zip(similarity, bound, there):
                index, columns = _nearest(table[:, mask].numpy(), limit)
                rows[len(picks), mask] = torch.from_numpy(columns)
                picks.append(index)
        context = self.context
        return take_rows(context.architecture, context.classes, self.vectors[picks], rows)

    def _present(self, request: Request) -> Tensor:
        """bool `(T, C)`."""
        if request.tasks is not None:
            return request.tasks >= 0
        return (request.conditions != self.context.padding).any(-1)

    def _compare(self, prompts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines `(T, N, C, C_N)` with the N ID tasks' prompts, and `(T, N)`, what no assignment
        can exceed: every prompt with the one it is nearest to."""
        similarity = torch.einsum("tcd,nkd->tnck", prompts, self.directions)
        similarity = similarity.masked_fill(~self.present[:, None], NEVER)
        nearest = similarity.amax(-1) * present[:, None]  # (T, N, C)
        count = present.sum(1, keepdim=True)
        bound = nearest.sum(-1) / count
        return similarity, bound.masked_fill(self.present.sum(1) < count, -torch.inf)

    def save(self, folder: Path) -> None:
        tensors = {
            "vectors": self.vectors,
            "directions": self.directions,
            "centre": self.centre,
            "present": self.present,
        }
        facts = {"p_models": len(self.vectors), "entries": self.vectors.shape[1]}
        save_tensors(folder / "zoo.safetensors", tensors, facts)

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / "zoo.safetensors")
        self.vectors, self.directions = tensors["vectors"], tensors["directions"]
        self.centre, self.present = tensors["centre"], tensors["present"]


def _nearest(similarity: NDArray[np.float32], bound: Tensor) -> tuple[int, NDArray[np.int64]]:
    """The nearest of N tasks and, for each of C prompts, the place of the one assigned to it.

    similarity: `(N, C, C_N)`; bound: `(N,)`. Exact, although few assignments are solved: tasks are
    visited in order of their bounds until none of the rest can be nearer.
    """
    best, found = -np.inf, (0, np.zeros(0, np.int64))
    limits, order = bound.sort(descending=True, stable=True)
    for limit, index in zip(limits.tolist(), order.tolist()):
        if limit <= best:
            break
        rows, columns = linear_sum_assignment(similarity[index], maximize=True)
        score = float(similarity[index][rows, columns].mean())
        if score > best:
            best, found = score, (index, columns)
    return found
