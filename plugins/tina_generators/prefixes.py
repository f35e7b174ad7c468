"""Stores several groups of tensors in one file, by prefixing their names."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`NAME` → `PREFIX.NAME`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def by_prefix(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The inverse, for tensors of several prefixes: prefix → `NAME`."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        found.setdefault(prefix, {})[rest] = tensor
    return found
