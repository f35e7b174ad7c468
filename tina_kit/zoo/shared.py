"""P-Models that differ in their classifier rows alone: their shared layers see each image once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from tina_kit.api import Architecture, Layout, Parameter
from tina_kit.training import on_every_core
from tina_kit.zoo.data import TaskData

PROBED = 8
"""Images that show whether logits are a linear map of features, and p-Models compared at once."""


def on_shared_features(
    data: TaskData, vectors: Tensor, classes: int, batch_size: int
) -> tuple[TaskData, Tensor]:
    """The same p-Models as classifiers on features of all images, if they share the other layers;
    else what was given.

    vectors: float32 `(M, P)` for so many classes. What enters the rows is read out with the rows of
    the identity, and kept in `data.features` for the next p-Models with these layers.
    """
    layout = data.architecture.layout(classes)
    head, shared = _head_of(layout), layout.class_of_entries() < 0
    if head is None or not shared.any() or len(vectors) < 2:
        return data, vectors
    common = vectors[0, shared]
    if not all((part[:, shared] == common).all() for part in vectors.split(PROBED)):
        return data, vectors
    key = hashlib.sha256(common.cpu().numpy().tobytes()).hexdigest()
    rows = vectors[:, ~shared]
    if key not in data.features:
        reader = _identity(data.architecture, vectors[0], layout, head.width)
        if not _is_linear(data, vectors[:1], rows[:1], reader, head, classes):
            return data, vectors
        data.features[key] = torch.cat(list(_read(data, reader, head.width, batch_size)))
    features = data.features[key].to(data.device)
    there = replace(
        data, architecture=head, inputs=lambda index: features[index.to(data.device)], frozen={}
    )
    return there, rows


class _Head(Architecture):
    """Linear classifiers on features `(N, width)`; parameters: as in the whole architecture."""

    frozen_features = True

    def __init__(self, weight: Parameter, bias: Parameter | None, width: int) -> None:
        self.weight, self.bias, self.width = weight, bias, width

    def build(self, classes: int) -> nn.Module:
        return nn.Linear(self.width, classes, self.bias is not None)

    def layout(self, classes: int) -> Layout:
        weight = replace(self.weight, shape=(classes, self.width))
        return Layout((weight, *([replace(self.bias, shape=(classes,))] if self.bias else [])))

    def normalise(self, images: Tensor) -> Tensor:
        return images

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        weight, *bias = self.layout(classes).unflatten(vectors).values()
        if not bias:
            return inputs @ weight.mT
        return torch.baddbmm(bias[0][:, None], inputs, weight.mT)


def _head_of(layout: Layout) -> _Head | None:
    """The classifier of an architecture whose class-indexed parameters are one matrix of rows and
    perhaps one bias after it."""
    own = [p for p in layout.parameters if p.class_axis is not None]
    if [(len(p.shape), p.class_axis) for p in own] not in ([(2, 0)], [(2, 0), (1, 0)]):
        return None
    return _Head(own[0], own[1] if own[1:] else None, own[0].shape[1])


def _identity(architecture: Architecture, vector: Tensor, layout: Layout, width: int) -> Tensor:
    """float32 `(1, P_width)`: the p-Model of `width` classes whose logits are its features."""
    there = architecture.layout(width)
    tensors = layout.unflatten(vector)
    for parameter in there.parameters:
        if parameter.class_axis is not None:
            one = len(parameter.shape) == 1
            made = vector.new_zeros(width) if one else torch.eye(width, device=vector.device)
            tensors[parameter.name] = made
    return there.flatten(tensors)[None]


def _is_linear(
    data: TaskData, vector: Tensor, rows: Tensor, reader: Tensor, head: _Head, classes: int
) -> bool:
    """Whether the rows of the first p-Model `(1, P)` give its logits."""
    few = torch.arange(min(PROBED, len(data.labels)))[None]
    expected = data.forward_many(vector, few, classes)
    features = data.forward_many(reader, few, head.width)
    made = head.forward_many(rows, features, classes, {})
    return torch.allclose(made, expected, rtol=1e-3, atol=1e-3)


def _read(data: TaskData, reader: Tensor, width: int, batch_size: int) -> Iterator[Tensor]:
    def features(index: Tensor) -> Tensor:
        return data.forward_many(reader, index[None], width)[0].cpu()

    batches = torch.arange(len(data.labels)).split(batch_size)
    on_cpu = data.device.type == "cpu"
    return on_every_core(features, batches) if on_cpu else map(features, batches)
