"""CLIP's contrastive training on a labelled data set."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST_CROP = 0.6  # of the side


def contrastive_loss(images: Tensor, texts: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss where several images of a batch share one text.

    images: `(B, D)`; texts: `(U, D)`, one for each class of the batch; rows of length 1.
    target: int64 `(B,)` in [0, U), each image's text.

    An image's only positive is its class's text; a text's positives are all images of its class,
    with equal weight (the multi-positive form). So no image of the same class is a negative.
    """
    logits = scale * images.float() @ texts.float().T  # (B, U)
    positive = F.one_hot(target, len(texts)).float()
    to_text = F.cross_entropy(logits, target)
    to_image = F.cross_entropy(logits.T, (positive / positive.sum(0)).T)
    return (to_text + to_image) / 2


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each of `(B, 3, H, W)` cropped to at least 0.6 of its side, resized back, half of them
    mirrored. Drawn from `generator`, on the CPU."""
    count = len(images)
    draws = torch.rand(4, count, generator=generator)
    side = SMALLEST_CROP + (1 - SMALLEST_CROP) * draws[0]
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = side * torch.where(draws[3] < 0.5, -1, 1)
    transform[:, 1, 1] = side
    transform[:, 0, 2] = (1 - side) * (2 * draws[1] - 1)
    transform[:, 1, 2] = (1 - side) * (2 * draws[2] - 1)
    grid = F.affine_grid(transform, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid.to(images), padding_mode="border", align_corners=False)
