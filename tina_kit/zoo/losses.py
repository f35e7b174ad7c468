"""The loss of classifiers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """float32 `(N, C)`, int64 `(N,)` → the mean cross-entropy, a scalar.

    A class is absent where its logit is -inf. smoothing: the share of each target that is spread
    evenly over the classes that are there, in [0, 1).
    """
    loss = F.cross_entropy(logits, targets)
    if not smoothing:
        return loss
    absent = logits.isneginf()
    logs = logits.log_softmax(-1).masked_fill(absent, 0)
    even = -(logs.sum(-1) / (~absent).sum(-1)).mean()
    return (1 - smoothing) * loss + smoothing * even
