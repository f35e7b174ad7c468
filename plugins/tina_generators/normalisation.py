"""Normalises parameter vectors, since most of a raw vector is the same for all tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_generators.prefixes import by_prefix, with_prefix
from tina_kit.api import Layout, Parameter


@dataclass(frozen=True)
class Normalisation:
    """kind: as in the options; mean: for each parameter its mean over the zoo and, if indexed by
    class, over classes, whose order is arbitrary (the class axis has size 1); scale: one number per
    parameter, float32 `()`. Both apply to any number of classes."""

    kind: str
    mean: dict[str, Tensor]
    scale: dict[str, Tensor]

    @classmethod
    def fit(cls, kind: str, vectors: Tensor, layout: Layout, present: Tensor) -> Normalisation:
        """vectors: float32 `(T, P)`; present: bool `(T, C)`, which classes each task has. Rows of
        absent classes (Section 4.2's padding) are ignored."""
        tensors = layout.unflatten(vectors)
        one = kind == "global-scale"
        layer = {p.name: "" if one else p.layer for p in layout.parameters}
        mean: dict[str, Tensor] = {}
        square = {name: torch.zeros(()) for name in layer.values()}
        count = {name: torch.zeros(()) for name in layer.values()}
        for p in layout.parameters:
            tensor = tensors[p.name]
            held = _held(p, present).expand_as(tensor)
            average = _mean(tensor, held, p)
            mean[p.name] = torch.zeros_like(average) if one else average
            square[layer[p.name]] += (tensor - mean[p.name]).where(held, 0).square().sum()
            count[layer[p.name]] += held.sum()
        scale = {name: _nonzero((square[key] / count[key]).sqrt()) for name, key in layer.items()}
        return cls(kind, mean, scale)

    def normalise(self, vectors: Tensor, layout: Layout) -> Tensor:
        mean, scale = self._flat(layout)
        return (vectors - mean) / scale

    def restore(self, vectors: Tensor, layout: Layout) -> Tensor:
        mean, scale = self._flat(layout)
        return vectors * scale + mean

    def tensors(self) -> dict[str, Tensor]:
        """For `save`, and back with `from_tensors`."""
        return with_prefix("mean", self.mean) | with_prefix("scale", self.scale)

    @classmethod
    def from_tensors(cls, kind: str, tensors: dict[str, Tensor]) -> Normalisation:
        return cls(kind, **by_prefix(tensors))

    def suits(self, kind: str, layout: Layout) -> bool:
        """Whether it is of this kind and of p-Models with these parameters."""
        shapes = {
            p.name: tuple(1 if axis == p.class_axis else n for axis, n in enumerate(p.shape))
            for p in layout.parameters
        }
        return kind == self.kind and shapes == {n: tuple(t.shape) for n, t in self.mean.items()}

    def _flat(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """float32 `(P,)` each."""
        mean = {p.name: self.mean[p.name].expand(p.shape) for p in layout.parameters}
        scale = {p.name: self.scale[p.name].expand(p.shape) for p in layout.parameters}
        return layout.flatten(mean), layout.flatten(scale)


@dataclass(frozen=True)
class ConditionScale:
    """Centres and scales embeddings, which share a direction and have tiny entries.

    mean: float32 `(D,)`; scale: float32 `()`.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, rows: Tensor) -> ConditionScale:
        """rows: float32 `(N, D)`, the prompts that are trained on."""
        mean = rows.mean(0)
        return cls(mean, _nonzero((rows - mean).square().mean().sqrt()))

    def __call__(self, conditions: Tensor) -> Tensor:
        return (conditions - self.mean) / self.scale


def _held(parameter: Parameter, present: Tensor) -> Tensor:
    """bool `(T, ...)` that expands to `(T, *shape)`: all but the rows of absent classes."""
    if parameter.class_axis is None:
        return present.new_ones(len(present), *[1] * len(parameter.shape))
    return parameter.along_classes(present)


def _mean(tensor: Tensor, held: Tensor, parameter: Parameter) -> Tensor:
    """`(T, *shape)` → `(*shape)` over the held entries, the class axis of size 1."""
    axes = [0] if parameter.class_axis is None else [0, parameter.class_axis + 1]
    total = tensor.where(held, 0).sum(axes, keepdim=True)
    return (total / held.sum(axes, keepdim=True)).squeeze(0)


def _nonzero(scale: Tensor) -> Tensor:
    """Replace a scale of 0 by 1, so that a layer equal in all p-Models becomes 0 and not NaN."""
    return torch.where(scale > 1e-12, scale, torch.ones_like(scale))
