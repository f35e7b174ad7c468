"""Augmentations of (p-Model, prompts) pairs."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="augmentation",
            name="classifier-permutation",
            target="tina_augmentations.permutation:ClassifierPermutation",
            options="tina_augmentations.options:ClassifierPermutationOptions",
            summary="Permutes prompts and classifier rows together (Section 4.3).",
        ),
        Component(
            kind="augmentation",
            name="neuron-permutation",
            target="tina_augmentations.neurons:NeuronPermutation",
            options="tina_augmentations.options:NeuronPermutationOptions",
            summary="Permutes hidden neurons, leaving logits unchanged: an ablation (Table 3).",
        ),
    ]
