"""p-Model architectures."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="architecture",
            name="cnn",
            target="tina_architectures.cnn:CNN",
            options="tina_architectures.options:CNNOptions",
            summary="Two convolutions and a classifier, all generated (Section 5.1's CNN).",
        ),
        Component(
            kind="architecture",
            name="resnet20",
            target="tina_architectures.resnet20:ResNet20",
            options="tina_architectures.options:ResNet20Options",
            summary="The CIFAR ResNet-20, its classifier or named layers generated (Section 5.1).",
        ),
        Component(
            kind="architecture",
            name="timm",
            target="tina_architectures.backbone:Backbone",
            options="tina_architectures.options:TimmOptions",
            summary="Any timm backbone with its classifier generated (Section 5.1's ViT-B/32).",
        ),
    ]
