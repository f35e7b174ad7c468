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
            version=2,
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
            name="cifar10",
            target="tina_datasets.cifar:Cifar10",
            options="tina_datasets.options:CifarOptions",
            summary="CIFAR-10 in torchvision's archive format; downloads on request.",
        ),
        Component(
            kind="dataset",
            name="cifar100",
            target="tina_datasets.cifar:Cifar100",
            options="tina_datasets.options:CifarOptions",
            summary="CIFAR-100, with superclasses, in torchvision's archive format (Section 5.1).",
        ),
        Component(
            kind="dataset",
            name="mini-imagenet",
            target="tina_datasets.mini_imagenet:MiniImageNet",
            options="tina_datasets.options:MiniImageNetOptions",
            summary="100 ImageNet classes, as one folder per class or CSV tables (Section 5.1).",
        ),
        Component(
            kind="dataset",
            name="image-folder",
            target="tina_datasets.folder:ImageFolder",
            options="tina_datasets.options:ImageFolderOptions",
            summary="Your own images, in one folder per class.",
            version=2,
        ),
        Component(
            kind="task-sampler",
            name="balanced-permutations",
            target="tina_datasets.samplers:BalancedPermutations",
            options="tina_datasets.options:BalancedPermutationsOptions",
            summary="Cuts permutations of the classes into tasks (Section 5.1).",
        ),
        Component(
            kind="task-sampler",
            name="cifar100-superclass-mix",
            target="tina_datasets.superclasses:SuperclassMix",
            options="tina_datasets.options:SuperclassMixOptions",
            summary="Three kinds of tasks by shared superclasses, in ratio 3:2:1 (Section 5.1).",
        ),
        Component(
            kind="task-sampler",
            name="unseen-classes",
            target="tina_datasets.unseen:UnseenClasses",
            options="tina_datasets.options:UnseenClassesOptions",
            summary="Trains on half of the classes, tests on 0 to 100% of the others (Table 2).",
        ),
    ]
