"""Normalises parameter vectors, since most of a raw vector is the same for all tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tina_generators.prefixes import by_prefix, with_prefix
from tina_kit.api import Layout, Parameter

AT_ONCE = 1 << 28
"""Bytes of a zoo that are worked on at once: a zoo of gigabytes is never in memory twice."""

NEGLIGIBLE = 1e-5
"""Variance below which conditions do not differ in a direction, as a share of the largest."""
RIDGE = 0.01
"""Added to each direction's variance, as a share of the mean, so that noise is not blown up."""


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
        rows = max(1, AT_ONCE // (4 * layout.size))
        scale_of = {p.name: "" if one else p.layer for p in layout.parameters}
        mean: dict[str, Tensor] = {}
        square = {name: torch.zeros(()) for name in scale_of.values()}
        count = {name: torch.zeros(()) for name in scale_of.values()}
        for p in layout.parameters:
            parts = list(zip(tensors[p.name].split(rows), _present_entries(p, present).split(rows)))
            average = _mean(parts, p)
            mean[p.name] = torch.zeros_like(average) if one else average
            for some, there in parts:
                away = (some - mean[p.name]).where(there, 0)
                square[scale_of[p.name]] += away.square_().sum()
                count[scale_of[p.name]] += there.expand_as(some).sum()
        scale = {name: _nonzero((square[r] / count[r]).sqrt()) for name, r in scale_of.items()}
        return cls(kind, mean, scale)

    @classmethod
    def of_generic(cls, vector: Tensor, layout: Layout, share: float) -> Normalisation:
        """For deviations from a generic model `(P_K',)` when no p-Models say how large they are:
        nothing is subtracted, and each layer's scale is this share of the model's own."""
        tensors = layout.unflatten(vector)
        entries: dict[str, list[Tensor]] = {}
        for p in layout.parameters:
            entries.setdefault(p.layer, []).append(tensors[p.name].flatten())
        size = {layer: torch.cat(of).square().mean().sqrt() for layer, of in entries.items()}
        mean = {
            p.name: torch.zeros([1 if n == p.class_axis else s for n, s in enumerate(p.shape)])
            for p in layout.parameters
        }
        scale = {p.name: _nonzero(share * size[p.layer]) for p in layout.parameters}
        return cls("mean-layer-scale", mean, scale)

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

    mean: float32 `(D,)`; scale: float32 `()`; whitening: float32 `(D, D)`, None for none.
    """

    mean: Tensor
    scale: Tensor
    whitening: Tensor | None = None

    @classmethod
    def fit(cls, rows: Tensor, whiten: bool = False) -> ConditionScale:
        """rows: float32 `(N, D)`, the prompts that are trained on."""
        mean = rows.mean(0)
        scale = _nonzero((rows - mean).square().mean().sqrt())
        if not whiten:
            return cls(mean, scale)
        # Each prompt once, since frequent classes would shrink their own directions.
        distinct = (rows.unique(dim=0) - mean) / scale
        return cls(mean, scale, _whitening(distinct))

    def __call__(self, conditions: Tensor) -> Tensor:
        scaled = (conditions - self.mean) / self.scale
        return scaled if self.whitening is None else scaled @ self.whitening

    def tensors(self) -> dict[str, Tensor]:
        """For `save`, and back as keyword arguments."""
        tensors = {"mean": self.mean, "scale": self.scale}
        return tensors if self.whitening is None else {**tensors, "whitening": self.whitening}


def _whitening(rows: Tensor) -> Tensor:
    """float32 `(N, D)`, centred → `(D, D)`: a symmetric matrix after which the rows have the same
    variance in all directions in which they differ, and 0 in the others (ZCA)."""
    variances, directions = torch.linalg.eigh(rows.T.double() @ rows.double() / len(rows))
    kept = variances > NEGLIGIBLE * variances[-1]
    scales = (variances[kept] + RIDGE * variances[kept].mean()).rsqrt()
    whitening: Tensor = (directions[:, kept] * scales) @ directions[:, kept].T
    return whitening.float()


def _present_entries(parameter: Parameter, present: Tensor) -> Tensor:
    """bool `(T, ...)` that expands to `(T, *shape)`: all but the rows of absent classes."""
    if parameter.class_axis is None:
        return present.new_ones(len(present), *[1] * len(parameter.shape))
    return parameter.along_classes(present)


def _mean(parts: list[tuple[Tensor, Tensor]], parameter: Parameter) -> Tensor:
    """`(T, *shape)` in parts, each with which entries are there → `(*shape)` over those, the class
    axis of size 1."""
    axes = [0] if parameter.class_axis is None else [0, parameter.class_axis + 1]
    sums = [some.where(there, 0).sum(axes, keepdim=True) for some, there in parts]
    counts = [there.expand_as(some).sum(axes, keepdim=True) for some, there in parts]
    total, count = (torch.stack(each).sum(0) for each in (sums, counts))
    return (total / count).squeeze(0)


def _nonzero(scale: Tensor) -> Tensor:
    """Replace a scale of 0 by 1, so that a layer equal in all p-Models becomes 0 and not NaN."""
    return torch.where(scale > 1e-12, scale, torch.ones_like(scale))
