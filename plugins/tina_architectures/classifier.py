"""A generated linear classifier `fc` on features of width D, shared by the architectures whose
backbone is frozen."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_kit.api import Layout, Parameter


def classifier_parameters(width: int, classes: int) -> tuple[Parameter, Parameter]:
    """Weight and bias of `fc`; a row of each for every class."""
    return (
        Parameter("fc.weight", (classes, width), layer="fc.weight", class_axis=0),
        Parameter("fc.bias", (classes,), layer="fc.bias", class_axis=0),
    )


def classify_many(vectors: Tensor, features: Tensor, classes: int) -> Tensor:
    """M classifiers at once: `(M, P)`, `(M, B, D)` → logits `(M, B, classes)`."""
    layout = Layout(classifier_parameters(features.shape[-1], classes))
    weights = layout.unflatten(vectors)
    return torch.baddbmm(
        weights["fc.bias"][:, None], features, weights["fc.weight"].transpose(1, 2)
    )
