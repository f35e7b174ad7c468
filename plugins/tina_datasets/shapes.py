"""Synthetic images of ten colours and ten shapes, which need no download."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tina_datasets.options import ShapesOptions
from tina_kit.api import Dataset, Images, Split

SIZE = 32
_SUPER = 2  # each pixel's cover is the mean over SUPER × SUPER points
_STREAMS: dict[Split, int] = {"train": 0, "test": 1}

# Some colours and shapes are similar on purpose: otherwise the generic model would make no mistakes
# and there would be nothing to personalise.
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
SHAPES = {
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
    """Each image: one shape of random place, size, rotation and shade on a random background."""

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
        random = torch.Generator().manual_seed(seed)
        drawn = [
            _draw(shape, colour, count, self.options.noise, random)
            for colour in COLOURS.values()
            for shape in SHAPES.values()
        ]
        labels = torch.arange(len(drawn)).repeat_interleave(count)
        return Images(torch.cat(drawn), labels)


def _draw(
    shape: object,
    colour: tuple[float, float, float],
    count: int,
    noise: float,
    random: torch.Generator,
) -> Tensor:
    """uint8 `(count, 3, SIZE, SIZE)`."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, 1, 1, generator=random) * (high - low) + low

    points = (torch.arange(SIZE * _SUPER) + 0.5) / (SIZE * _SUPER) * 2 - 1
    y, x = torch.meshgrid(points, points, indexing="ij")
    radius = uniform(0.3, 0.65)
    x = (x - uniform(-0.35, 0.35)) / radius  # (count, S, S)
    y = (y - uniform(-0.35, 0.35)) / radius
    turn = uniform(0, 2 * math.pi)
    x, y = x * torch.cos(turn) - y * torch.sin(turn), x * torch.sin(turn) + y * torch.cos(turn)
    inside = (shape(x, y) < 0).float()[:, None]  # type: ignore[operator]
    cover = torch.nn.functional.avg_pool2d(inside, _SUPER)  # (count, 1, SIZE, SIZE)

    shade = torch.tensor(colour).view(3, 1, 1) + uniform(-0.1, 0.1, 3)
    ground = uniform(0.1, 0.9, 3)
    slope = uniform(-0.25, 0.25, 3) * torch.linspace(-1, 1, SIZE) + uniform(
        -0.25, 0.25, 3
    ) * torch.linspace(-1, 1, SIZE).view(-1, 1)
    image = cover * shade + (1 - cover) * (ground + slope)
    image = image + noise * torch.randn(image.shape, generator=random)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)
