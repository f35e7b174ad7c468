"""The paper's two-layer CNN: 5,370 parameters for ten classes, all of them generated."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_architectures.options import CNNOptions
from tina_kit.api import Architecture, Layout, Parameter


class GlobalMean(nn.Module):
    """`(B, C, H, W)` → `(B, C, 1, 1)`, the same numbers as `mean` gives.

    The gradient of `mean` is written out channel by channel, and where activations lie in memory
    pixel by pixel the ReLU before it then takes longer than both convolutions.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3])


class CNN(Architecture):
    """conv 3×3 stride 2, ReLU, conv 3×3, ReLU, global average pooling, linear."""

    def __init__(self, options: CNNOptions) -> None:
        self.widths = options.widths

    def build(self, classes: int) -> nn.Module:
        first, second = self.widths
        return nn.Sequential(
            nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1, bias=False),
            nn.ReLU(),
            GlobalMean(),
            nn.Flatten(),
            nn.Linear(second, classes),
        )

    def layout(self, classes: int) -> Layout:
        first, second = self.widths
        return Layout(
            (
                Parameter("0.weight", (first, 3, 3, 3), layer="conv1"),
                Parameter("2.weight", (second, first, 3, 3), layer="conv2"),
                Parameter("6.weight", (classes, second), layer="fc.weight", class_axis=0),
                Parameter("6.bias", (classes,), layer="fc.bias", class_axis=0),
            ),
            chain=True,
        )

    def normalise(self, images: Tensor) -> Tensor:
        return images.float() / 127.5 - 1

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        weights = self.layout(classes).unflatten(vectors)
        models, batch = inputs.shape[:2]
        x = inputs.transpose(0, 1).flatten(1, 2)  # (B, M·3, H, W)
        x = F.relu(F.conv2d(x, weights["0.weight"].flatten(0, 1), None, 2, 1, groups=models))
        x = F.relu(F.conv2d(x, weights["2.weight"].flatten(0, 1), None, 1, 1, groups=models))
        x = GlobalMean()(x).view(batch, models, -1).transpose(0, 1)  # (M, B, second)
        return torch.baddbmm(
            weights["6.bias"][:, None], x, weights["6.weight"].transpose(1, 2)
        )  # (M, B, classes)
