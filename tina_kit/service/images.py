"""Photographs from a request's body, read as every command reads them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import torch
from torch import Tensor

from tina_kit.api import UserError, printable, read_images, unreadable_images
from tina_kit.api.images import picture_size


def pixels_of(images: Sequence[tuple[str, bytes]], size: tuple[int, int], most: int) -> Tensor:
    """uint8 `(N, 3, height, width)`.

    images: names for messages and files' contents; size: (height, width); most: pixels of all
    together, counted before any is decoded. Raises UserError for what cannot be read.
    """
    names = [printable(name[:100]) or f"image {number}" for number, (name, _) in enumerate(images)]
    pixels = 0
    for name, (_, content) in zip(names, images):
        try:
            width, height = picture_size(BytesIO(content))
        except Exception:
            continue  # the reader says why it cannot be read
        pixels += width * height
        if pixels > most:
            raise UserError(
                f"{name}: too many pixels ({width:,} × {height:,}); at most {most:,} in a request. "
                "Make the image smaller"
            )
    reasons: dict[int, str] = {}
    read = read_images([BytesIO(content) for _, content in images], size, reasons)
    if reasons:
        told = {names[place]: reasons[place] for place in sorted(reasons)}
        raise unreadable_images(told, "Replace or remove")
    return torch.from_numpy(read)
