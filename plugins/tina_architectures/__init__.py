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
    ]
