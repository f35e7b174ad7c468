"""Components of a recipe with their options, ready to be built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tina_kit.api import TinaKitError, UserError
from tina_kit.api.component import import_attribute
from tina_kit.api.options import FieldFacts, Options
from tina_kit.plugins import Registered
from tina_kit.plugins.contract import broken_promises
from tina_kit.plugins.results import checked
from tina_kit.recipe.effects import said
from tina_kit.recipe.node import Where
from tina_kit.recipe.paths import paths_in
from tina_kit.store import content_of


@dataclass(frozen=True)
class ResolvedComponent:
    """A component with checked options and resolved nested components, ready to be built."""

    entry: Registered
    options: Options
    children: Mapping[str, ResolvedComponent | tuple[ResolvedComponent, ...]]
    where: Where

    def build(self) -> Any:
        """A fresh object. Raises TinaKitError when the component's code cannot be imported or does
        not keep its contract, and UserError with the place in the recipe when it does not take its
        options."""
        target = self.entry.component.target
        try:
            attribute = import_attribute(target)
        except (ImportError, AttributeError) as error:
            raise TinaKitError(
                f"{self.entry.full_name} ({self.entry.origin}): cannot import {target}: {error}"
            ) from error
        if wrong := broken_promises(self.entry.component.kind, attribute):
            lines = [f"{self.entry.full_name}: {reason} ({place})" for reason, place in wrong]
            raise TinaKitError("\n".join(lines))
        nested = {
            name: tuple(p.build() for p in child) if isinstance(child, tuple) else child.build()
            for name, child in self.children.items()
        }
        try:
            return checked(attribute(self.options, **nested), self.entry)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error

    def plain(self) -> dict[str, Any]:
        """The component as a recipe would write it, with every default that has an effect."""
        return {
            "use": self.entry.full_name,
            **said(self.options, set(self.children)),
            **{
                name: _each(child, ResolvedComponent.plain) for name, child in self.children.items()
            },
        }

    def built_with(self, **changes: Any) -> Any:
        """Build an instance with some options changed."""
        return replace(self, options=self.options.model_copy(update=changes)).build()

    def child(self, option: str) -> ResolvedComponent:
        """The nested component in an option that holds a single one."""
        component = self.children[option]
        assert isinstance(component, ResolvedComponent)
        return component

    def rows(self) -> dict[str, str]:
        """The options that name another row of the recipe, unless they are None."""
        named = {name for name, facts in _facts(self.options) if facts.row is not None}
        values = {name: getattr(self.options, name) for name in sorted(named)}
        return {name: value for name, value in values.items() if value is not None}

    def settings(self, fitting: bool = False) -> dict[str, Any]:
        """What enters cache keys: file fingerprints instead of paths, and no names of other rows,
        whose own keys enter instead. fitting: leave out the options that fitting ignores."""
        return {
            "use": self.entry.full_name,
            "version": self.entry.component.version,
            "options": keyed(self.options, fitting, set(self.children)),
            "components": {
                name: _each(c, ResolvedComponent.settings) for name, c in self.children.items()
            },
            "fingerprint": self._fingerprint(),
            **({"code": self.entry.content} if self.entry.content else {}),
        }

    def _fingerprint(self) -> str:
        component = self.build()
        try:
            return str(component.fingerprint()) + content_of(component.files())
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error


@dataclass(frozen=True)
class NamedComponent:
    """A generator or a study with the name of its row."""

    name: str
    component: ResolvedComponent


def keyed(options: Options, fitting: bool = False, exclude: Collection[str] = ()) -> dict[str, Any]:
    """The options that enter cache keys, as JSON values; see `ResolvedComponent.settings`."""
    fields = type(options).model_fields
    left_out = {
        name
        for name, facts in _facts(options)
        if facts.row is not None
        or facts.aside
        or (fitting and facts.at_generation)
        or (facts.added and getattr(options, name) == fields[name].get_default())
    }
    without = paths_in(options) | dict.fromkeys(left_out | set(exclude), True)
    return options.model_dump(mode="json", exclude=without)


def _each(child: ResolvedComponent | tuple[ResolvedComponent, ...], what: Any) -> Any:
    return [what(component) for component in child] if isinstance(child, tuple) else what(child)


def _facts(options: Options) -> Iterable[tuple[str, FieldFacts]]:
    return ((name, FieldFacts.of(field)) for name, field in type(options).model_fields.items())
