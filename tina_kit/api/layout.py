"""The layout of a parameter vector: the parameter and the class of each entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Parameter:
    """One generated tensor.

    name: as in the module's `state_dict`; shape: of the tensor; layer: the layer it belongs to.
    class_axis: the axis indexed by class, None if all classes share the tensor.
    """

    name: str
    shape: tuple[int, ...]
    layer: str
    class_axis: int | None = None

    @property
    def size(self) -> int:
        """Number of entries of the tensor."""
        return math.prod(self.shape)

    def along_classes(self, values: Tensor) -> Tensor:
        """One value per class, `(T, C)` of any dtype → a view `(T, ...)` that broadcasts with
        tensors `(T, *shape)`. Raises ValueError if there is no class axis."""
        if self.class_axis is None:
            raise ValueError(f"{self.name} is not indexed by class")
        view = [1] * len(self.shape)
        view[self.class_axis] = values.shape[1]
        return values.view(len(values), *view)


@dataclass(frozen=True)
class Layout:
    """The generated parameters of a p-Model, in the order in which they are flattened.

    chain: whether they form a plain chain of layers, each feeding only the next, so that shapes
    determine the hidden neurons. Skip connections or frozen layers in between break a chain.
    """

    parameters: tuple[Parameter, ...]
    chain: bool = field(default=False, compare=False)

    @cached_property
    def size(self) -> int:
        """P, the length of a parameter vector."""
        return sum(parameter.size for parameter in self.parameters)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The slice of the vector that holds each parameter."""
        slices, start = {}, 0
        for parameter in self.parameters:
            slices[parameter.name] = slice(start, start + parameter.size)
            start += parameter.size
        return slices

    @cached_property
    def classes(self) -> int | None:
        """C, the number of classes, or None if nothing is indexed by class."""
        for parameter in self.parameters:
            if parameter.class_axis is not None:
                return parameter.shape[parameter.class_axis]
        return None

    def flatten(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Tensors `(..., *shape)` by name → vectors `(..., P)`."""
        import torch

        pieces = []
        for parameter in self.parameters:
            tensor = tensors[parameter.name]
            lead = tensor.shape[: tensor.ndim - len(parameter.shape)]
            pieces.append(tensor.reshape(*lead, parameter.size))
        return torch.cat(pieces, dim=-1)

    def unflatten(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors `(..., P)` → views `(..., *shape)` by parameter name. Raises ValueError for
        vectors of another length."""
        if vectors.shape[-1] != self.size:
            raise ValueError(f"vectors have {vectors.shape[-1]} entries, the layout {self.size}")
        # One split, since the gradient of a slice each would be as many vectors of zeros.
        parts = vectors.split([parameter.size for parameter in self.parameters], -1)
        return {
            parameter.name: part.unflatten(-1, parameter.shape)
            for parameter, part in zip(self.parameters, parts)
        }

    def take_classes(self, vectors: Tensor, index: Tensor) -> Tensor:
        """Select the rows of the given classes from each vector, in the given order.

        vectors: `(T, P)` in this layout of K classes (T may be an expanded 1).
        index: int64 `(T, C)`, entries in [0, K).
        Returns `(T, P')` in the same architecture's layout for C classes.
        """
        return self._take(vectors, index, and_mean=False)

    def take_classes_or_mean(self, vectors: Tensor, index: Tensor) -> Tensor:
        """`take_classes`, where -1 in `index` `(T, C)` selects the mean of all K rows, the initial
        row of a class that has none of its own."""
        classes = self.classes or 0
        return self._take(vectors, index.where(index >= 0, classes), and_mean=True)

    def _take(self, vectors: Tensor, index: Tensor, and_mean: bool) -> Tensor:
        """and_mean: append the mean of all rows as row K."""
        import torch

        pieces = []
        for parameter, tensor in zip(self.parameters, self.unflatten(vectors).values()):
            if parameter.class_axis is None:
                pieces.append(tensor.flatten(1))
                continue
            axis = parameter.class_axis + 1
            if and_mean:
                tensor = torch.cat([tensor, tensor.mean(axis, keepdim=True)], dim=axis)
            taken = tensor.take_along_dim(parameter.along_classes(index), axis)
            pieces.append(taken.flatten(1))
        return torch.cat(pieces, dim=-1)

    def class_of_entries(self) -> Tensor:
        """int64 `(P,)` on the CPU: the class that each entry belongs to, -1 for shared entries."""
        import torch

        # Explicit devices: this may run while another default device is set.
        owner = torch.full((self.size,), -1, device="cpu")
        for parameter in self.parameters:
            if parameter.class_axis is not None:
                classes = torch.arange(parameter.shape[parameter.class_axis], device="cpu")[None]
                own = parameter.along_classes(classes)[0].expand(parameter.shape)
                owner[self.slices[parameter.name]] = own.reshape(-1)
        return owner
