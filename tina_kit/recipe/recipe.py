"""A resolved recipe: everything a run is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tina_kit.api import UserError
from tina_kit.plugins import Registry
from tina_kit.recipe.component import NamedComponent, ResolvedComponent
from tina_kit.recipe.effects import said
from tina_kit.recipe.node import Node
from tina_kit.recipe.schema import LISTS, SLOTS, CoreOptions


@dataclass(frozen=True)
class Recipe:
    """path: the file it was read from; source: what it said, after all overrides.
    plugins: the Python files that it names, absolute.
    """

    path: Path
    source: Node
    core: CoreOptions
    dataset: ResolvedComponent
    tasks: ResolvedComponent
    architecture: ResolvedComponent
    conditioner: ResolvedComponent
    generators: tuple[NamedComponent, ...]
    studies: tuple[NamedComponent, ...]
    registry: Registry = field(compare=False, repr=False)
    plugins: tuple[Path, ...] = ()

    def where(self, *keys: str) -> str:
        """Where a key stands, or the nearest one above it, for an error message."""
        return str(self.source.at(*keys).where)

    def says(self, *keys: str) -> bool:
        """Whether a key is given."""
        return keys[-1] in (self.source.at(*keys[:-1]).value or ())

    def facts(self) -> dict[str, dict[str, Any]]:
        """What the parts tell of themselves beyond their options, by their dotted keys."""
        found: dict[str, dict[str, Any]] = {}
        for slot in SLOTS:
            found |= _facts(getattr(self, slot), slot)
        for kind in LISTS:
            for row in getattr(self, kind):
                found |= _facts(row.component, f"{kind}.{row.name}")
        return found

    def plain(self) -> dict[str, Any]:
        """A recipe that says the same with every default that has an effect written out."""
        return {
            **said(self.core),
            **({"plugins": [str(path) for path in self.plugins]} if self.plugins else {}),
            "dataset": self.dataset.plain(),
            "tasks": self.tasks.plain(),
            "architecture": self.architecture.plain(),
            "conditioner": self.conditioner.plain(),
            "generators": [{"name": g.name, **g.component.plain()} for g in self.generators],
            "studies": [{"name": s.name, **s.component.plain()} for s in self.studies],
        }


def _facts(part: ResolvedComponent, key: str) -> dict[str, dict[str, Any]]:
    """What a part, whose dotted key is `key`, and those nested in it tell of themselves."""
    try:
        own = dict(part.build().facts())
    except UserError as error:
        raise UserError(f"{part.where}: {error}") from error
    found = {key: own} if own else {}
    for name, child in part.children.items():
        several = isinstance(child, tuple)
        for number, inner in enumerate(child if isinstance(child, tuple) else (child,)):
            found |= _facts(inner, f"{key}.{name}.{number}" if several else f"{key}.{name}")
    return found
