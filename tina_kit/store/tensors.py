"""Content hashes of tensors, and the check that stored tensors are finite."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api import TinaKitError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
_FLOATS = ("F", "BF", "C")  # prefixes of safetensors' names of types that have NaN


class NotFinite(TinaKitError):
    """A tensor contains NaN or infinity."""


def content_hash(tensors: Mapping[str, Tensor], *texts: str) -> str:
    """The hash of CPU tensors with their names, dtypes and shapes, and of some strings."""
    import torch

    whole = hashlib.sha256()
    for text in texts:
        whole.update(f"{len(text)} {text}\n".encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """What is wrong with the first tensor that contains NaN or infinity; "" if none does.

    A tensor of only 0 and -infinity is an additive attention mask and counts as finite.
    """
    return next(filter(None, (_complaint(*item) for item in tensors.items())), "")


def file_not_finite(path: Path) -> str:
    """`not_finite` for a safetensors file, reading one tensor at a time; also reports a file in
    another format."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                floats = file.get_slice(name).get_dtype().startswith(_FLOATS)
                if floats and (problem := _complaint(name, file.get_tensor(name))):
                    return problem
    except SafetensorError as error:
        return f"not a safetensors file ({error})"
    return ""


def _complaint(name: str, tensor: Tensor) -> str:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return ""
    if tensor.element_size() == 1:
        tensor = tensor.float()  # torch supports few operations on 8-bit floats
    if tensor.isfinite().all():
        return ""
    nan, infinite = int(tensor.isnan().sum()), int(tensor.isinf().sum())
    masked = 0 if tensor.is_complex() else int((tensor == float("-inf")).sum())
    if masked == infinite and not nan and masked + int((tensor == 0).sum()) == tensor.numel():
        return ""
    found = [f"{nan} NaN"] * (nan > 0) + [f"{infinite} infinite"] * (infinite > 0)
    return f"'{name}' has {' and '.join(found)} among its {tensor.numel()} values"
