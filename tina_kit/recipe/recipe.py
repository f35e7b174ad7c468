"""A resolved recipe: everything a run needs."""

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
    """A checked recipe with its components.

    path: the file it was read from; source: its content after all overrides; plugins: absolute
    paths of the Python files that it names; profile, sets: the overrides that it was read with, the
    latter as `key=value`.
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
    profile: str | None = field(default=None, compare=False)
    sets: tuple[str, ...] = field(default=(), compare=False)

    def where(self, *keys: str) -> str:
        """The location of a key, or of the nearest one above it, for error messages."""
        return str(self.source.at(*keys).where)

    def says(self, *keys: str) -> bool:
        """Whether a key is given."""
        return keys[-1] in (self.source.at(*keys[:-1]).value or ())

    def facts(self) -> dict[str, dict[str, Any]]:
        """The `facts()` of all components, by dotted keys."""
        found: dict[str, dict[str, Any]] = {}
        for slot in SLOTS:
            found |= _facts(getattr(self, slot), slot)
        for kind in LISTS:
            for row in getattr(self, kind):
                found |= _facts(row.component, f"{kind}.{row.name}")
        return found

    def plain(self) -> dict[str, Any]:
        """An equivalent recipe with every default that has an effect."""
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


def _facts(component: ResolvedComponent, key: str) -> dict[str, dict[str, Any]]:
    """The facts of the component at the dotted `key` and of those nested in it."""
    try:
        own = dict(component.build().facts())
    except UserError as error:
        raise UserError(f"{component.where}: {error}") from error
    found = {key: own} if own else {}
    for name, child in component.children.items():
        several = isinstance(child, tuple)
        for number, inner in enumerate(child if isinstance(child, tuple) else (child,)):
            found |= _facts(inner, f"{key}.{name}.{number}" if several else f"{key}.{name}")
    return found
