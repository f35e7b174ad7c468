"""CLIP's contrastive training on a labelled data set."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.api import ByClass

SMALLEST_CROP = 0.5  # share of the side
CONTRAST, BRIGHTNESS, COLOUR = 0.4, 0.4, 0.12  # maximum change of normalised images


def contrastive_loss(images: Tensor, texts: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """CLIP's loss if several images of a batch share one text.

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


def balanced(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """int64 `(count,)` indices into `labels`: a class at random, then one of its images, so that
    rare classes are seen as often as others."""
    present = labels.unique()
    drawn = torch.randint(len(present), (count,), generator=generator)
    uniform = torch.rand(count, generator=generator, dtype=torch.float64)
    return ByClass(labels).pick(present[drawn], uniform)


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Normalised float `(B, 3, H, W)` with random crops, flips and colour jitter. generator: a CPU
    generator."""
    return relight(crop_and_flip(images, generator), generator)


def relight(images: Tensor, generator: torch.Generator) -> Tensor:
    """Randomly change the contrast, brightness and contrast per channel of each image of
    `(B, 3, H, W)`."""
    count = len(images)
    draws = (2 * torch.rand(5, count, 1, 1, 1, generator=generator) - 1).to(images)
    gain = 1 + CONTRAST * draws[0] + COLOUR * torch.cat(list(draws[2:]), 1)
    middle = images.mean((2, 3), keepdim=True)
    return (images - middle) * gain + middle + BRIGHTNESS * draws[1]


def crop_and_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crop each image of `(B, 3, H, W)` to at least half of its side, resize it back, and flip it
    with probability 1/2. generator: a CPU generator."""
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
