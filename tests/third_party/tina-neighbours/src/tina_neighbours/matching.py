"""Which prompt of one task stands for which of another, for many pairs of tasks at once."""

from __future__ import annotations

import torch
from torch import Tensor

NONE = -1  # the place of a prompt that is left without a partner


def match(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Pair the prompts of two tasks one to one, the most similar pair that is left first.

    So a class that both tasks hold always meets itself. The best sum of similarities would be an
    assignment problem for each pair of tasks; this takes as many steps as there are prompts.

    similarity: float32 `(..., C, C')`, -inf where a place holds no prompt.
    Returns int64 `(..., C)`, the partner of each of the C prompts or NONE, and float32 `(..., C)`,
    its similarity, -inf for NONE.
    """
    *lead, count, others = similarity.shape
    left = similarity.reshape(-1, count, others).clone()
    places = torch.full(left.shape[:2], NONE)
    values = torch.full(left.shape[:2], -torch.inf)
    for _ in range(min(count, others)):
        best, index = left.flatten(1).max(1)
        found = (best > -torch.inf).nonzero().squeeze(1)
        one, other = index[found] // others, index[found] % others
        places[found, one], values[found, one] = other, best[found]
        left[found, one] = -torch.inf
        left[found, :, other] = -torch.inf
    return places.view(*lead, count), values.view(*lead, count)
