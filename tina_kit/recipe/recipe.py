"""A resolved recipe: everything a run is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina_kit.plugins import Registry
from tina_kit.recipe.node import Node
from tina_kit.recipe.resolve import NamedPart, ResolvedPart
from tina_kit.recipe.schema import CoreOptions


@dataclass(frozen=True)
class Recipe:
    """path: the file it was read from; source: what it said, after all overrides.
    plugins: the Python files that it names, absolute.
    """

    path: Path
    source: Node
    core: CoreOptions
    dataset: ResolvedPart
    tasks: ResolvedPart
    architecture: ResolvedPart
    conditioner: ResolvedPart
    generators: tuple[NamedPart, ...]
    studies: tuple[NamedPart, ...]
    registry: Registry = field(compare=False, repr=False)
    plugins: tuple[Path, ...] = ()

    def where(self, *keys: str) -> str:
        """Where a key stands, or the nearest one above it, for an error message."""
        return str(self.source.at(*keys).where)

    def plain(self) -> dict[str, Any]:
        """A recipe that says the same with every default written out."""
        return {
            **self.core.model_dump(mode="json"),
            **({"plugins": [str(path) for path in self.plugins]} if self.plugins else {}),
            "dataset": self.dataset.plain(),
            "tasks": self.tasks.plain(),
            "architecture": self.architecture.plain(),
            "conditioner": self.conditioner.plain(),
            "generators": [{"name": g.name, **g.part.plain()} for g in self.generators],
            "studies": [{"name": s.name, **s.part.plain()} for s in self.studies],
        }
