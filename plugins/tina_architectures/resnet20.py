"""ResNet-20 for small images (He et al. 2016, Section 4.2): 272,474 parameters for ten classes.

Shortcuts between stages are 1×1 projections (the paper's option B); option A's padding has 2,752
parameters fewer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tina_architectures.classifier import classifier_parameters, classify_many
from tina_architectures.options import ResNet20Options
from tina_architectures.pixels import IMAGENET_MEAN, IMAGENET_STD, standardise
from tina_kit.api import Architecture, Layout, Parameter

WIDTH = 64  # of the features that the classifier reads


def _conv_bn(inside: int, outside: int, kernel: int, stride: int) -> OrderedDict[str, nn.Module]:
    conv = nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False)
    if not conv.weight.is_meta:  # there drawing would import torch's compiler, for a second
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return OrderedDict(conv=conv, bn=nn.BatchNorm2d(outside))


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv_bn(inside, outside, 3, stride).values()
        self.conv2, self.bn2 = _conv_bn(outside, outside, 3, 1).values()
        same = inside == outside
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(_conv_bn(inside, outside, 1, stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Network(nn.Module):
    """A sequence of steps: stem, nine blocks, pooling, classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(OrderedDict(**_conv_bn(3, 16, 3, 1), relu=nn.ReLU()))
        self.stage1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
        self.stage2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.stage3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(WIDTH, classes)

    def steps(self) -> Iterator[tuple[str, nn.Module]]:
        """Each step and the name that its parameters begin with."""
        yield "stem", self.stem
        for stage in ("stage1", "stage2", "stage3"):
            for name, block in self.get_submodule(stage).named_children():
                yield f"{stage}.{name}", block
        yield "pool", self.pool
        yield "fc", self.fc

    def forward(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Run the steps from `start` to `stop`; all of them: images → logits `(B, classes)`."""
        for _, step in list(self.steps())[start:stop]:
            x = step(x)
        return x


class ResNet20(Architecture):
    """If only the classifier is generated, p-Models are linear maps of features `(N, 64)`.

    The rest is frozen and in eval mode, batch-norm statistics included (those of generated
    batch-norm layers too). Images are standardised by ImageNet's mean and deviation.
    """

    def __init__(self, options: ResNet20Options) -> None:
        self.layers = options.layers
        names = [name for name, _ in self._skeleton.steps()]
        first = next(i for i, x in enumerate(names) if f"{self.layers[0]}.".startswith(f"{x}."))
        # What enters later steps is at most 8,192 numbers an image. Up to here it is 16,384, more
        # than can be kept of a data set, and every step runs again.
        self.start = first if first > names.index("stage2.0") else 0
        self.frozen_features = self.start > 0

    @cached_property
    def _skeleton(self) -> Network:
        """Shapes without weights, for calls with the weights given."""
        with torch.device("meta"):
            return Network(2).eval()

    def build(self, classes: int) -> nn.Module:
        return Network(classes)

    def layout(self, classes: int) -> Layout:
        shapes = self._skeleton.named_parameters()
        inner = [
            Parameter(name, tuple(tensor.shape), layer=name)
            for name, tensor in shapes
            if name.rpartition(".")[0] in self.layers and not name.startswith("fc.")
        ]
        return Layout((*inner, *classifier_parameters(WIDTH, classes)))

    def normalise(self, images: Tensor) -> Tensor:
        return standardise(images, IMAGENET_MEAN, IMAGENET_STD)

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        """What enters the step of the first generated layer."""
        return cast(Tensor, module(self.normalise(images), 0, self.start)).float()

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        if self.layers == ("fc",):
            return classify_many(vectors, inputs, classes)
        generated = self.layout(classes).unflatten(vectors)
        shared = {name: tensor for name, tensor in frozen.items() if name not in generated}

        def logits(own: dict[str, Tensor], images: Tensor) -> Tensor:
            state = {**shared, **own}
            return cast(Tensor, functional_call(self._skeleton, state, (images, self.start)))

        return torch.vmap(logits)(generated, inputs)
