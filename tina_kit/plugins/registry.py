"""The one registry: components by kind and name, with their origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tina_kit.api.component import Component

if TYPE_CHECKING:
    from tina_kit.plugins.discovery import Failure


@dataclass(frozen=True)
class Registered:
    """A component and the distribution (or local file) it comes from.

    content: the hash of a local file, whose components' versions nobody raises; it goes into keys.
    """

    component: Component
    owner: str
    origin: str
    content: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.component.name}"


class UnknownComponent(Exception):
    """No component, or more than one, goes by this name. The text says what to write instead."""


@dataclass
class Registry:
    """All components that were found, and the plugins that failed."""

    registered: list[Registered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Registered]:
        found = [entry for entry in self.registered if entry.component.kind == kind]
        return sorted(found, key=lambda entry: (entry.component.name, entry.owner))

    def shortest_name(self, entry: Registered) -> str:
        """The bare name while it is unique, else the full name."""
        name = entry.component.name
        alike = [e for e in self.of_kind(entry.component.kind) if e.component.name == name]
        return name if len(alike) == 1 else entry.full_name

    def get(self, kind: str, name: str) -> Registered:
        """Find a component by its name or `owner/name`. Raises UnknownComponent."""
        entries = self.of_kind(kind)
        found = [e for e in entries if name in (e.component.name, e.full_name)]
        if len(found) == 1:
            return found[0]
        if found:
            names = " or ".join(entry.full_name for entry in found)
            raise UnknownComponent(f"more than one {kind} is called '{name}'; write {names}")
        raise UnknownComponent(self._unknown(kind, name, entries))

    def _unknown(self, kind: str, name: str, entries: Sequence[Registered]) -> str:
        names = [known for e in entries for known in (e.component.name, e.full_name)]
        message = f"no {kind} is called '{name}'; {nearest(name, names)}"
        owner = name.partition("/")[0]
        for failure in self.failures:
            if "/" not in name or owner == failure.owner:
                message += f" (plugin {failure.entry_point} of {failure.owner} failed to load)"
        return message


def nearest(name: str, names: Sequence[str]) -> str:
    """The nearest of the existing names, or a few of them."""
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "there is none"
    return "there is " + ", ".join(sorted({n for n in names if "/" not in n}))
