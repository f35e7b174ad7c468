"""Classifier augmentation."""

from __future__ import annotations

import torch
from torch import Tensor

from tina_augmentations.options import ClassifierPermutationOptions
from tina_kit.api import Augmentation, Layout


class ClassifierPermutation(Augmentation):
    """Section 4.3: another order of the classes is another task with the same p-Model, up to the
    order of its classifier rows and biases. Every pair draws its own permutation."""

    def __init__(self, options: ClassifierPermutationOptions) -> None:
        pass

    def __call__(
        self,
        vectors: Tensor,
        conditions: Tensor,
        mask: Tensor,
        layout: Layout,
        random: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        order = torch.rand(mask.shape, generator=random).argsort(1).to(conditions.device)
        prompts = conditions.gather(1, order[..., None].expand_as(conditions))
        return layout.take_classes(vectors, order), prompts, mask.gather(1, order)
