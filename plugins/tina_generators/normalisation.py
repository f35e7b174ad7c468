"""Normalisation of parameter vectors: most of a raw one is the same for every task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_kit.api import Layout, Zoo


@dataclass(frozen=True)
class Normalisation:
    """mean: for each parameter its mean over the zoo, class-indexed ones also over their classes,
    whose order means nothing (their class axis has size 1); scale: for each parameter one number,
    float32 `()`. Both fit any number of classes."""

    mean: dict[str, Tensor]
    scale: dict[str, Tensor]

    @classmethod
    def fit(cls, kind: str, vectors: Tensor, layout: Layout) -> Normalisation:
        """vectors: float32 `(T, P)`."""
        tensors = layout.unflatten(vectors)
        if kind == "global-scale":
            scale = _nonzero(vectors.square().mean().sqrt())
            zero = {
                p.name: torch.zeros([1 if a == p.class_axis else n for a, n in enumerate(p.shape)])
                for p in layout.parameters
            }
            return cls(zero, {p.name: scale.clone() for p in layout.parameters})
        mean: dict[str, Tensor] = {}
        square: dict[str, Tensor] = {}
        count: dict[str, int] = {}
        for p in layout.parameters:
            tensor = tensors[p.name]
            axes = [0] if p.class_axis is None else [0, p.class_axis + 1]
            mean[p.name] = tensor.mean(axes, keepdim=True).squeeze(0)
            error = (tensor - mean[p.name]).square().sum()
            square[p.layer] = square.get(p.layer, torch.zeros(())) + error
            count[p.layer] = count.get(p.layer, 0) + tensor.numel()
        scales = {
            p.name: _nonzero((square[p.layer] / count[p.layer]).sqrt()) for p in layout.parameters
        }
        return cls(mean, scales)

    def normalise(self, vectors: Tensor, layout: Layout) -> Tensor:
        mean, scale = self._flat(layout)
        return (vectors - mean) / scale

    def restore(self, vectors: Tensor, layout: Layout) -> Tensor:
        mean, scale = self._flat(layout)
        return vectors * scale + mean

    def tensors(self) -> dict[str, Tensor]:
        """For `save`, and back with `from_tensors`."""
        means = {f"mean.{name}": tensor for name, tensor in self.mean.items()}
        return means | {f"scale.{name}": tensor for name, tensor in self.scale.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Normalisation:
        parts: dict[str, dict[str, Tensor]] = {"mean": {}, "scale": {}}
        for name, tensor in tensors.items():
            room, _, rest = name.partition(".")
            if room in parts:
                parts[room][rest] = tensor
        return cls(parts["mean"], parts["scale"])

    def _flat(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """float32 `(P,)` each."""
        mean = {p.name: self.mean[p.name].expand(p.shape) for p in layout.parameters}
        scale = {p.name: self.scale[p.name].expand(p.shape) for p in layout.parameters}
        return layout.flatten(mean), layout.flatten(scale)


@dataclass(frozen=True)
class ConditionScale:
    """Embeddings of class names share a direction and have tiny entries: centre and scale them.

    mean: float32 `(D,)`; scale: float32 `()`.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, zoo: Zoo) -> ConditionScale:
        rows = zoo.conditions.flatten(0, 1)
        mean = rows.mean(0)
        return cls(mean, _nonzero((rows - mean).square().mean().sqrt()))

    def __call__(self, conditions: Tensor) -> Tensor:
        return (conditions - self.mean) / self.scale


def _nonzero(scale: Tensor) -> Tensor:
    """A layer that is the same in every p-Model stays at 0 instead of becoming NaN."""
    return torch.where(scale > 1e-12, scale, torch.ones_like(scale))
