"""Tensors are cropped and resized as image files are, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tina_kit.api import read_images
from tina_kit.zoo import resizing
from tina_kit.zoo.resizing import fit

SHAPES = [(300, 200), (200, 300), (401, 101), (33, 400), (32, 32), (7, 9), (1, 1), (1, 90), (90, 1)]
SIZES = [(32, 32), (8, 6), (5, 40), (1, 1), (64, 64)]


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_is_as_read_from_a_file(shape: tuple[int, int]) -> None:
    pixels = photo(*shape)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    for size in SIZES:
        expected = read_images([Image.fromarray(pixels)], size)
        np.testing.assert_array_equal(fit(images, size).numpy(), expected)


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    images = torch.from_numpy(photo(32, 32)).permute(2, 0, 1).expand(3, -1, -1, -1)
    assert torch.equal(fit(images, (32, 32)), images)


def test_the_order_of_passes_matters_so_that_it_is_followed(monkeypatch) -> None:
    """Else the test above could not tell whether the rule of Pillow's version is followed."""
    images = torch.from_numpy(photo(401, 101)).permute(2, 0, 1)[None]
    monkeypatch.setattr(resizing, "COLUMNS_FIRST", False)
    wide = fit(images, (32, 32)).int()
    monkeypatch.setattr(resizing, "COLUMNS_FIRST", True)
    tall = fit(images, (32, 32)).int()
    assert 0 < (wide - tall).abs().max() <= 1
