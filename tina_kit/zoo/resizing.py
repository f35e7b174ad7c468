"""Crops and resizes images as the kit does when it reads them, with tensors alone.

`tina_kit.api.read_images` calls Pillow (`ImageOps.fit`, bilinear). What is exported or runs on an
accelerator has no Pillow, and torch's own antialiased resizing rounds differently. So Pillow's
arithmetic is repeated here: weights of 22 bits, and 8 bits for the result of either pass.
Since version 13 Pillow begins with the columns of tall images, which moves a few pixels by a level.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor

# Read from the distribution: importing Pillow would cost each `generate` time.
COLUMNS_FIRST = int(version("pillow").split(".")[0]) >= 13
"""Whether the installed Pillow begins with the columns of tall images."""
_ONE = float(1 << 22)  # Pillow's weights are whole multiples of 1 / _ONE


def fit(images: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 `(N, 3, H, W)` → uint8 `(N, 3, height, width)`: the centre, resized as by Pillow.

    size: (height, width) in pixels. Computed in float64, in which all products and sums are exact.
    It contains no branch that depends on H or W, so that it can be exported for images of any size.
    """
    height, width = size
    # Taken from tensors, since an exporter would take Python numbers for constants.
    tall = _count(images[0, 0, :, 0])
    wide = _count(images[0, 0, 0, :])
    narrow = wide / tall < width / height
    crop_wide = torch.where(narrow, wide, tall * (width / height))
    crop_tall = torch.where(narrow, wide / (width / height), tall)
    across = _weights(images[0, 0, 0, :], (wide - crop_wide) / 2, crop_wide, width)
    down = _weights(images[0, 0, :, 0], (tall - crop_tall) / 2, crop_tall, height)
    pixels = images.to(down.dtype)
    fitted = _bytes(down @ _bytes(pixels @ across.T))
    if COLUMNS_FIRST:
        taller = (tall > height) & (tall - height > 2 * (wide - width))
        fitted = torch.where(taller, _bytes(_bytes(down @ pixels) @ across.T), fitted)
    return fitted.to(torch.uint8)


def _weights(line: Tensor, start: Tensor, length: Tensor, count: int) -> Tensor:
    """Whole numbers, float64 `(count, len(line))`: how much of each pixel of a line is in each
    pixel of the result, which shows `length` pixels from `start` on."""
    dtype = start.dtype
    # Pillow passes its box in single precision.
    first, last = start.float(), (start + length).float()
    scale = (last - first).to(dtype) / count
    support = scale.clamp(min=1)
    place = torch.arange(count, device=line.device, dtype=dtype)
    centre = (first.to(dtype) + (place + 0.5) * scale)[:, None]
    pixel = torch.cumsum(torch.ones_like(line, dtype=dtype), 0) - 1
    inside = (pixel >= torch.floor(centre - support + 0.5)) & (
        pixel < torch.floor(centre + support + 0.5)
    )
    share = torch.where(inside, (1 - ((pixel - centre + 0.5) / support).abs()).clamp(min=0), 0)
    return torch.floor(share / share.sum(1, keepdim=True) * _ONE + 0.5)


def _bytes(sums: Tensor) -> Tensor:
    return torch.floor(sums / _ONE + 0.5).clamp(0, 255)


def _count(line: Tensor) -> Tensor:
    dtype = torch.float32 if line.device.type == "mps" else torch.float64  # mps has no float64
    return torch.ones_like(line, dtype=dtype).sum()
