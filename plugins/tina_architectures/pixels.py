"""Standardises pixels as a network's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Close to those of any photographs; the data set is not known here.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def standardise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 `(..., 3, H, W)` → float32: scaled to [0, 1], then standardised per channel."""
    centre, scale = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (mean, std))
    return (images.float() / 255 - centre) / scale
