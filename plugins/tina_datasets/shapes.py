"""Synthetic images of ten colours and ten shapes, which need no download.

They are made so that a small network gains by specialising. The shape that gives an image its class
stands in front of others of other colours, so telling classes apart takes the edges of one colour,
not edges as such. A few filters find those of two colours, but it takes many to find those of ten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from tina_datasets.options import ShapesOptions
from tina_kit.api import Dataset, Images, Split

_SUPER = 2  # each pixel's cover is the mean over SUPER × SUPER points
_BEHIND = 4  # shapes behind the one that gives the class
_STREAMS: dict[Split, int] = {"train": 0, "test": 1}

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.15, 0.15),
    "orange": (0.90, 0.45, 0.15),
    "yellow": (0.90, 0.80, 0.20),
    "green": (0.25, 0.65, 0.25),
    "teal": (0.15, 0.60, 0.55),
    "blue": (0.20, 0.35, 0.85),
    "violet": (0.50, 0.25, 0.80),
    "pink": (0.90, 0.45, 0.65),
    "brown": (0.50, 0.32, 0.18),
    "grey": (0.55, 0.55, 0.55),
}
_SHADES = torch.tensor(list(COLOURS.values()))  # (10, 3)


def _polygon(x: Tensor, y: Tensor, sides: int, inner: float = 1.0) -> Tensor:
    """Signed distance-like field of a regular polygon; `inner` < 1 makes it a star."""
    angle = torch.atan2(y, x)
    sector = math.pi / sides
    local = (angle % (2 * sector) - sector).abs()  # 0 between two corners, `sector` at one
    radius = torch.sqrt(x * x + y * y)
    # The edge runs from the corner (radius 1, angle `sector`) to the middle (radius m, angle 0).
    middle = inner * math.cos(sector)
    edge_x, edge_y = math.cos(sector) - middle, math.sin(sector)
    px, py = radius * torch.cos(local) - middle, radius * torch.sin(local)
    return (px * edge_y - py * edge_x) / math.hypot(edge_x, edge_y)


def _box(x: Tensor, y: Tensor, wide: float, high: float) -> Tensor:
    return torch.maximum(x.abs() - wide, y.abs() - high)


def _disc(x: Tensor, y: Tensor, radius: float) -> Tensor:
    return torch.sqrt(x * x + y * y) - radius


# x, y in units of the shape's radius; inside where the field is below 0.
SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": lambda x, y: _disc(x, y, 0.85),
    "ellipse": lambda x, y: _disc(x, y / 0.6, 0.95),
    "ring": lambda x, y: _disc(x, y, 0.68).abs() - 0.22,
    "triangle": lambda x, y: _polygon(x, y, 3),
    "square": lambda x, y: _polygon(x, y, 4),
    "pentagon": lambda x, y: _polygon(x, y, 5),
    "star": lambda x, y: _polygon(x, y, 5, 0.5),
    "cross": lambda x, y: torch.minimum(_box(x, y, 0.9, 0.28), _box(x, y, 0.28, 0.9)),
    "bar": lambda x, y: _box(x, y, 0.98, 0.32),
    "crescent": lambda x, y: torch.maximum(_disc(x, y, 0.9), -_disc(x - 0.45, y, 0.75)),
}


class Shapes(Dataset):
    """Each image: one shape of random place, size, tilt and shade, in front of four others of other
    colours, on a random background."""

    drawn = True

    def __init__(self, options: ShapesOptions) -> None:
        self.options = options

    @property
    def class_names(self) -> Sequence[str]:
        return [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]

    @property
    def superclasses(self) -> Sequence[int]:  # type: ignore[override]
        """The colour: "red circle" and "red star" share one."""
        return [index for index, _ in enumerate(COLOURS) for _ in SHAPES]

    def load(self, split: Split) -> Images:
        count = self.options.train if split == "train" else self.options.test
        seed = self.options.seed * len(_STREAMS) + _STREAMS[split]
        brush = _Brush(self.options, torch.Generator().manual_seed(seed))
        drawn = [brush.images(colour, count) for colour in range(len(COLOURS))]
        labels = torch.arange(len(COLOURS) * len(SHAPES)).repeat_interleave(count)
        return Images(torch.cat(drawn), labels)


class _Brush:
    """Draws images from one stream of random numbers."""

    def __init__(self, options: ShapesOptions, random: torch.Generator) -> None:
        self.size, self.noise, self.random = options.size, options.noise, random

    def images(self, colour: int, count: int) -> Tensor:
        """uint8 `(10 · count, 3, size, size)`: `count` images of each shape in this colour."""
        total = count * len(SHAPES)
        image = self._background(total)
        for _ in range(_BEHIND):
            cover = self._each_shape(count, radius=(0.45, 0.65), distance=(0.5, 0.8))
            cover = cover[torch.randperm(total, generator=self.random)]
            others = torch.randint(1, len(COLOURS), (total,), generator=self.random)
            image = self._paint(image, cover, _SHADES[(colour + others) % len(COLOURS)])
        cover = self._each_shape(count, radius=(0.45, 0.7), distance=(0.0, 0.25))
        image = self._paint(image, cover, _SHADES[colour])
        image += self.noise * torch.randn(image.shape, generator=self.random)
        return (image.clamp(0, 1) * 255).round().to(torch.uint8)

    def _paint(self, image: Tensor, cover: Tensor, colours: Tensor) -> Tensor:
        """colours: float32 `(…, 3)`, of each image or of all."""
        shades = colours.view(-1, 3, 1, 1) + self._uniform(-0.1, 0.1, len(image), 3)
        return torch.lerp(image, shades, cover)

    def _each_shape(
        self, count: int, radius: tuple[float, float], distance: tuple[float, float]
    ) -> Tensor:
        """float32 `(10 · count, 1, size, size)` in [0, 1]: which share of each pixel is covered.

        distance: from the middle of the image; units: half the image's side.
        """
        covers = []
        points = (torch.arange(self.size * _SUPER) + 0.5) / (self.size * _SUPER) * 2 - 1
        for shape in SHAPES.values():
            place, away = self._uniform(0, 2 * math.pi, count), self._uniform(*distance, count)
            scale, tilt = self._uniform(*radius, count), self._uniform(-0.2, 0.2, count)
            x = (points - away * torch.cos(place)) / scale  # (count, 1, S)
            y = (points[:, None] - away * torch.sin(place)) / scale  # (count, S, 1)
            cos, sin = torch.cos(tilt), torch.sin(tilt)
            inside = shape(x * cos - y * sin, x * sin + y * cos) < 0  # (count, S, S)
            covers.append(F.avg_pool2d(inside.float()[:, None], _SUPER))
        return torch.cat(covers)

    def _background(self, count: int) -> Tensor:
        """float32 `(count, 3, size, size)`: a colour that changes evenly across the image."""
        ramp = torch.linspace(-1, 1, self.size)
        across = self._uniform(-0.25, 0.25, count, 3) * ramp
        down = self._uniform(-0.25, 0.25, count, 3) * ramp[:, None]
        return self._uniform(0.1, 0.9, count, 3) + across + down

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """float32 `(*shape, 1, 1)`."""
        return torch.rand(*shape, 1, 1, generator=self.random) * (high - low) + low
