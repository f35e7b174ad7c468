"""`nearest-average`: what lies between the p-Models of the nearest ID tasks."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tina_kit.api import Generator, Request, UserError, Zoo
from torch import Tensor
from torch.nn import functional as F

from tina_neighbours.matching import match
from tina_neighbours.options import NearestAverageOptions

FILE = "neighbours.safetensors"
PART = 16  # tasks that are compared with all ID tasks at once


class NearestAverage(Generator):
    """Averages p-Models of ID tasks, after putting their classifier rows in the asked order.

    Two tasks are as near as their prompts are similar on average: the mean cosine of centred
    conditions, when every prompt of the asked task is matched with one of the other (`match`). The
    order of the classes plays no part. In a matched p-Model the asked class gets its partner's
    row; rows in the orders in which the tasks were drawn have nothing to do with each other, and
    their average would be no classifier.

    Each row is weighted by its own match, so that of k neighbours the one that knows the class
    counts most, and what no class owns is weighted by the nearness of the tasks.
    """

    vectors: Tensor  # float32 (N, P)
    directions: Tensor  # float32 (N, C, D)
    present: Tensor  # bool (N, C)
    centre: Tensor  # float32 (D,)

    def __init__(self, options: NearestAverageOptions) -> None:
        self.options = options

    def fit(self, zoo: Zoo) -> None:
        """Keeps the zoo."""
        self.vectors, self.present = zoo.vectors, zoo.tasks >= 0
        self.centre = zoo.conditions[self.present].mean(0)
        self.directions = self._direction(zoo.conditions)

    def generate(self, request: Request) -> Tensor:
        """float32 `(T, P)`, in the layout of as many classes as there are prompts.

        Raises UserError for a task of more classes than any ID task has.
        """
        there = self._there(request)
        needed, largest = int(there.sum(1).max()), int(self.present.sum(1).max())
        if needed > largest:
            raise UserError(
                f"nearest-average: a task of {needed} classes was asked for, but no ID task has "
                f"more than {largest} rows to average; ask for fewer, or raise `tasks.classes` in "
                "the recipe"
            )
        prompts = self._direction(request.conditions.cpu())
        made = [self._average(p, t) for p, t in zip(prompts.split(PART), there.split(PART))]
        return torch.cat(made)

    def _average(self, prompts: Tensor, there: Tensor) -> Tensor:
        """`(T, C, D)`, bool `(T, C)` → `(T, P)`; zeros in the rows of absent classes."""
        classes = there.shape[1]
        layout = self.context.architecture.layout(self.context.classes)
        owner = self.context.architecture.layout(classes).class_of_entries()  # -1 takes the last
        picks, rows, cosines = self._nearest(prompts, there)
        shared = _mean(cosines, there)[..., None]
        weights = self._weights(torch.cat([cosines, shared], dim=-1))  # (T, k, C + 1)
        made = torch.zeros(len(prompts), len(owner))
        for place in range(picks.shape[1]):
            vectors = layout.take_classes(self.vectors[picks[:, place]], rows[:, place])
            made += weights[:, place, owner] * vectors
        return made

    def _nearest(self, prompts: Tensor, there: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The k nearest of N ID tasks, int64 `(T, k)`; for each, int64 `(T, k, C)`, its row for
        each prompt, and float32 `(T, k, C)`, how similar their prompts are."""
        similarity = torch.einsum("tcd,nkd->tnck", prompts, self.directions)
        similarity = similarity.masked_fill(~there[:, None, :, None], -torch.inf)
        similarity = similarity.masked_fill(~self.present[:, None], -torch.inf)
        rows, cosines = match(similarity)  # (T, N, C)
        nearness = _mean(cosines, there)  # -inf where an ID task has too few classes
        picks = nearness.sort(dim=1, descending=True, stable=True).indices[:, : self.options.k]
        index = picks[..., None].expand(-1, -1, rows.shape[-1])
        unfit = nearness.gather(1, picks)[..., None].isinf()
        return (
            picks,
            rows.gather(1, index).clamp(min=0),
            cosines.gather(1, index).masked_fill(unfit, -torch.inf),
        )

    def _weights(self, cosines: Tensor) -> Tensor:
        """`(T, k, C)` → the same, of sum 1 over the k; 0 where all of them are -inf."""
        temperature = self.options.temperature
        known = cosines.isfinite()
        logits = cosines / temperature if temperature else cosines.masked_fill(known, 0)
        return logits.softmax(1).masked_fill(~known, 0)

    def _there(self, request: Request) -> Tensor:
        """bool `(T, C)`: which places hold a class."""
        if request.tasks is not None:
            return request.tasks.cpu() >= 0
        return (request.conditions.cpu() != self.context.padding.cpu()).any(-1)

    def _direction(self, conditions: Tensor) -> Tensor:
        return F.normalize(conditions - self.centre, dim=-1)

    def save(self, folder: Path) -> None:
        tensors = {
            "vectors": self.vectors,
            "directions": self.directions,
            "present": self.present,
            "centre": self.centre,
        }
        save_file({name: t.contiguous() for name, t in tensors.items()}, folder / FILE)

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / FILE)
        self.vectors, self.directions = tensors["vectors"], tensors["directions"]
        self.present, self.centre = tensors["present"], tensors["centre"]


def _mean(cosines: Tensor, there: Tensor) -> Tensor:
    """`(T, N, C)`, bool `(T, C)` → `(T, N)`: over the classes that are there; -inf where a prompt
    has no partner."""
    there = there[:, None]
    return cosines.masked_fill(~there, 0).sum(-1) / there.sum(-1)
