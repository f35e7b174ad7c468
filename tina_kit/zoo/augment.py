"""Random changes of the images that the generic model is trained on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_kit.recipe.schema import Augment


def augmented(images: Tensor, augment: Augment, random: torch.Generator) -> Tensor:
    """uint8 `(B, 3, H, W)` → the same shape."""
    if augment == "flip":
        return flip(images, random)
    return crop_and_flip(images, random) if augment == "crop-flip" else images


def flip(images: Tensor, random: torch.Generator) -> Tensor:
    """uint8 `(B, 3, H, W)` → the same shape: random horizontal flips."""
    flipped = torch.rand(len(images), generator=random) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def crop_and_flip(images: Tensor, random: torch.Generator) -> Tensor:
    """uint8 `(B, 3, H, W)` → the same shape: random crops after zero padding by an eighth of the
    height, and random horizontal flips, as usual for CIFAR."""
    count, _, height, width = images.shape
    pad = height // 8
    padded = F.pad(images, (pad,) * 4)
    top, left = torch.randint(2 * pad + 1, (2, count), generator=random)
    columns = torch.arange(width).expand(count, -1)
    flipped = torch.rand(count, generator=random) < 0.5
    columns = torch.where(flipped[:, None], columns.flip(1), columns) + left[:, None]
    rows = torch.arange(height) + top[:, None]
    index = torch.arange(count)
    moved = padded.permute(0, 2, 3, 1)[index[:, None, None], rows[:, :, None], columns[:, None]]
    return moved.permute(0, 3, 1, 2)
