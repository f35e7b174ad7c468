"""The paper's two-layer CNN: 5,370 parameters for ten classes, all of them generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_architectures.options import CNNOptions
from tina_kit.api import Architecture, Layout, Parameter

NO_OVERFLOW = 1e9
"""Weights below this, times images in [-1, 1], never make infinite activations or NaN."""


class GlobalMean(nn.AdaptiveAvgPool2d):
    """`(B, C, H, W)` → `(B, C, 1, 1)`, the mean over H and W, as `nn.AdaptiveAvgPool2d(1)`.

    The gradient of torch's own mean is laid out channel by channel. If activations lie in memory
    pixel by pixel, the ReLU before it then takes longer than both convolutions.
    """

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, input: Tensor) -> Tensor:
        return _global_mean(input)[:, :, None, None]


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

    def arrange(self, images: Tensor) -> Tensor:
        """Blocks of 2×2 pixels, after zero padding, become 12 channels: `(..., 3, H, W)` →
        `(..., 12, ⌈H / 2⌉ + 1, ⌈W / 2⌉ + 1)`, in the dtype of the images.

        On them the first convolution has stride 1 and 2×2 kernels (`_on_blocks`). CPUs compute that
        twice as fast as one with three channels.
        """
        height, width = images.shape[-2:]
        x = F.pad(images, (1, 1 + width % 2, 1, 1 + height % 2))
        *lead, _, height, width = x.shape
        x = x.view(*lead, 3, height // 2, 2, width // 2, 2)
        return x.movedim((-3, -1), (-5, -4)).flatten(-5, -3)

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        # One cast of the vector costs less than one of each weight by autocast.
        weights = self.layout(classes).unflatten(vectors.to(inputs.dtype))
        models, batch = inputs.shape[:2]
        x = inputs.transpose(0, 1).flatten(1, 2)  # (B, M·12, H', W')
        first = _on_blocks(weights["0.weight"].flatten(0, 1))
        relu_ = _relu_for(vectors, inputs)
        x = relu_(F.conv2d(x, first, groups=models))
        x = relu_(F.conv2d(x, weights["2.weight"].flatten(0, 1), padding=1, groups=models))
        x = _global_mean(x).view(batch, models, -1).transpose(0, 1)  # (M, B, second)
        if models == 1:  # faster than a batched product
            rows = (weights[name].squeeze(0) for name in ("6.weight", "6.bias"))
            return F.linear(x.squeeze(0), *rows)[None]
        return torch.baddbmm(
            weights["6.bias"][:, None], x, weights["6.weight"].transpose(1, 2)
        )  # (M, B, classes)


def _relu_for(vectors: Tensor, inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """ReLU in place. In bf16, CPUs compare integers three times as fast as floats, and a float is
    negative if the integer with the same bits is. Only NaN would be hidden, so none may occur."""
    quick = torch.is_inference_mode_enabled() and inputs.dtype == torch.bfloat16
    if quick and inputs.device.type == "cpu" and bool(vectors.abs().amax() < NO_OVERFLOW):
        return _relu_by_sign_
    return torch.relu_


def _relu_by_sign_(x: Tensor) -> Tensor:
    x.view(torch.int16).clamp_(min=0)
    return x


def _global_mean(x: Tensor) -> Tensor:
    return x.sum((2, 3)) / (x.shape[2] * x.shape[3])


def _on_blocks(kernels: Tensor) -> Tensor:
    """Kernels `(K, 3, 3, 3)` → `(K, 12, 2, 2)`, for images as `CNN.arrange` gives them."""
    x = F.pad(kernels, (0, 1, 0, 1)).view(-1, 3, 2, 2, 2, 2)  # (K, 3, H', 2, W', 2)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(-1, 12, 2, 2)
