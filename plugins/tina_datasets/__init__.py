"""Data sets and task samplers."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="dataset",
            name="shapes",
            target="tina_datasets.shapes:Shapes",
            options="tina_datasets.options:ShapesOptions",
            summary="100 classes such as 'red circle', drawn from a seed; needs no download.",
        ),
        Component(
            kind="dataset",
            name="caltech101",
            target="tina_datasets.caltech:Caltech101",
            options="tina_datasets.options:Caltech101Options",
            summary="Caltech-101 in torchvision's layout, split 8:2 by a seed (Section 5.1).",
        ),
        Component(
            kind="dataset",
            name="image-folder",
            target="tina_datasets.folder:ImageFolder",
            options="tina_datasets.options:ImageFolderOptions",
            summary="Your own images: one folder a class.",
        ),
        Component(
            kind="task-sampler",
            name="balanced-permutations",
            target="tina_datasets.samplers:BalancedPermutations",
            options="tina_datasets.options:BalancedPermutationsOptions",
            summary="Cuts permutations of the classes into tasks (Section 5.1).",
        ),
    ]
