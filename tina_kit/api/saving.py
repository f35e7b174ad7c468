"""Saves what a component has learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None
) -> None:
    """Save tensors of any dtype and shape, `(...)`, by name, to a `.safetensors` file.

    Tensors may be on any device, need not be contiguous and may share memory, which safetensors
    itself does not support. facts: plain values, written to a JSON file of the same name.
    """
    from safetensors.torch import save_file

    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if (storage := tensor.untyped_storage().data_ptr()) in storages:
            tensor = tensor.clone()
        storages.add(storage)
        plain[name] = tensor
    save_file(plain, path)
    if facts is not None:
        text = json.dumps(dict(facts), indent=2) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")
