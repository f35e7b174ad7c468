"""How a batch is divided: among ranks, each of which computes the loss of its share, and into parts
whose gradients are accumulated. The step is the one that would be taken on the whole batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tina_kit.api import Step
from tina_kit.training.ranks import ALONE, Ranks

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class SharedStep(Step):
    """A step that notes how much of its batch this rank takes.

    taken: (its share, the whole) of each call of `share`.
    """

    taken: list[tuple[int, int]] = field(default_factory=list)

    def share(self, batch: Tensor, dim: int = 0) -> Tensor:
        share = super().share(batch, dim)
        part, whole = share.shape[dim], batch.shape[dim]
        self.taken.append((part, whole))
        if self.taken[0] != (part, whole):
            raise ValueError(
                f"Step.share: the batches of one step are of {self.taken[0][1]} and {whole} "
                "examples; share those of one length, and take the others whole"
            )
        # No loss is asked about an empty batch; what is computed instead weighs nothing.
        return share if part else batch.narrow(dim, 0, 1)

    @property
    def weight(self) -> float:
        """This rank's share of the loss; every rank computes all of it if nothing is shared."""
        part, whole = self.taken[0] if self.taken else (1, self.ranks)
        return part / whole


class Sharing:
    """Decides in the first step whether a batch is divided: if the loss takes shares, and no layer
    computes statistics of the batch, which would be those of a share. Otherwise the first rank
    trains alone on whole batches, exactly as one process does, and the others wait for its result.

    parts: that the batch is divided into; of a larger number of ranks, each takes one.
    """

    def __init__(self, ranks: Ranks, module: nn.Module, label: str, parts: int = 1) -> None:
        if parts < 1:
            raise ValueError(f"{label}: accumulate is {parts}; give at least 1")
        self._all, self._label = ranks, label
        self.ranks = ranks
        self.parts = math.ceil(parts / ranks.count)
        """How many of them each rank takes."""
        self.alone = False
        """Whether ranks are there but only the first trains."""
        if not can_be_shared(module):
            self._train_alone("batch norm needs the whole batch")

    @property
    def waits(self) -> bool:
        """Whether this rank has nothing to do but to wait for the result."""
        return self.alone and not self._all.first

    @property
    def divided(self) -> bool:
        return self.ranks.several or self.parts > 1

    def gradients(
        self,
        loss: Callable[[SharedStep], Tensor],
        index: int,
        random: Callable[[], torch.Generator],
        parameters: Sequence[nn.Parameter],
    ) -> Tensor | None:
        """Give each parameter the gradient of the whole batch. Returns the whole batch's loss, or
        None on a rank that only waits.

        random: makes the step's generator anew, since each part draws the whole batch.
        """
        for parameter in parameters:
            parameter.grad = None
        whole = torch.zeros(())
        for part in range(self.parts):
            place = self.ranks.index * self.parts + part
            step = SharedStep(index, random(), place, self.ranks.count * self.parts)
            value = loss(step)
            if self.divided and not step.taken:
                self._train_alone("its loss takes no share of the batch (Step.share)")
            if self.waits:
                return None
            weight = step.weight if self.divided else 1.0
            if part and not weight:  # more parts than examples: the others are empty, too
                break
            (value * weight).backward()
            whole = whole.to(value.device) + value.detach().float() * weight
            if not self.divided:
                break
        if self.ranks.several:
            self._add(parameters)
            self.ranks.add([whole])
        return whole

    def _add(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradients over the ranks."""
        # A parameter may be used by the examples of one rank alone.
        used = torch.tensor([float(each.grad is not None) for each in parameters])
        self.ranks.add([used])
        gradients: dict[torch.dtype, list[Tensor]] = {}
        for parameter, somewhere in zip(parameters, used.tolist()):
            if somewhere:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.setdefault(parameter.dtype, []).append(parameter.grad)
        for of_one_dtype in gradients.values():
            self.ranks.add(of_one_dtype)

    def _train_alone(self, reason: str) -> None:
        """On whole batches."""
        self.alone, divided = self._all.several, self.divided
        self.ranks, self.parts = ALONE, 1
        if self.alone:
            if self._all.first and self._all.once(f"{self._label} {reason}"):
                _LOG.warning("%s: only one rank trains: %s", self._label, reason)
        elif divided:
            _LOG.warning("%s: accumulate has no effect: %s", self._label, reason)


def can_be_shared(module: nn.Module) -> bool:
    """Whether no layer computes statistics of the batch, which would be those of a share."""
    return not any(isinstance(layer, _BatchNorm) for layer in module.modules())


Saved = tuple[dict[str, Tensor], dict[str, Any]]


def handed_out(ranks: Ranks, saved: Saved | None) -> Saved | None:
    """The first rank's checkpoint (tensors, state), for all of them; the others get no average,
    which the first alone keeps."""
    if not ranks.several:
        return saved
    contents = None
    if saved is not None:
        shapes = {
            name: (str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
            for name, tensor in saved[0].items()
            if not name.startswith("ema.")
        }
        contents = {"shapes": shapes, "state": saved[1]}
    contents = ranks.tell(contents)
    if contents is None:
        return None
    if saved is None:
        tensors = {
            name: torch.empty(shape, dtype=getattr(torch, dtype))
            for name, (dtype, shape) in contents["shapes"].items()
        }
        saved = tensors, contents["state"]
    ranks.copy([saved[0][name] for name in contents["shapes"]])
    return saved
