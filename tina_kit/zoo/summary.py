"""Summary statistics of a zoo."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tina_kit.zoo.archive import ZooArchive


def summary(archive: ZooArchive) -> dict[str, Any]:
    """Counts, class frequencies, and for each layer the mean and the spread of its entries: the
    standard deviation over p-Models, averaged over entries as a root mean square. Rows of absent
    classes are left out."""
    sizes = (archive.tasks >= 0).sum(1)
    occurring = archive.tasks[archive.tasks >= 0]
    times = torch.bincount(occurring, minlength=len(archive.class_names))
    return {
        "p_models": len(archive.tasks),
        "classes_of_a_task": [int(sizes.min()), int(sizes.max())],
        "classes": len(archive.class_names),
        "occurrences": [int(times.min()), int(times.max())],
        "rarest": archive.class_names[int(times.argmin())],
        "commonest": archive.class_names[int(times.argmax())],
        "parameters": archive.layout.size,
        "layers": _layers(archive),
        "architecture": dict(archive.architecture),
        "origin": dict(archive.origin),
    }


def _layers(archive: ZooArchive) -> list[dict[str, Any]]:
    layout, slices = archive.layout, archive.layout.slices
    owner = layout.class_of_entries()
    present = archive.tasks >= 0
    rows = []
    for layer in dict.fromkeys(p.layer for p in layout.parameters):
        parts = [slices[p.name] for p in layout.parameters if p.layer == layer]
        entries = torch.cat([torch.arange(part.start, part.stop) for part in parts])
        owners = owner[entries]
        held = present[:, owners.clamp(min=0)] | (owners < 0)
        mean, spread = _moments(archive.vectors[:, entries].double(), held)
        rows.append({"layer": layer, "parameters": len(entries), "mean": mean, "spread": spread})
    return rows


def _moments(values: Tensor, held: Tensor) -> tuple[float, float]:
    """`(T, p)`, bool mask `(T, p)` → mean of the masked values, and their spread over rows."""
    count = held.sum(0)
    values = values * held
    means = values.sum(0) / count.clamp(min=1)
    variance = ((values - means) ** 2 * held).sum(0) / count.clamp(min=1)
    return float(values.sum() / held.sum()), float(variance[count > 0].mean().sqrt())
