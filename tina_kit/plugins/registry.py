"""The one registry: components by kind and name, with their origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tina_kit.api.component import Component

if TYPE_CHECKING:
    from tina_kit.plugins.failure import Failure
    from tina_kit.plugins.loading import Plugin


@dataclass(frozen=True)
class Registered:
    """A component and the distribution (or local file) it comes from.

    content: the hash of a local file, whose components' versions nobody raises; it goes into keys.
    load: imports its plugin, where that was not done yet; returns what came of it.
    """

    component: Component
    owner: str
    origin: str
    content: str = ""
    load: Callable[[], Failure | None] | None = field(default=None, compare=False, repr=False)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.component.name}"

    @property
    def missing(self) -> list[tuple[str, str]]:
        """The modules it needs that are not installed, each with how to install it."""
        needs = [need.partition(" ")[::2] for need in self.component.needs]
        return [
            (module, how.strip("()") or f"pip install {module}")
            for module, how in needs
            if not importable(module)
        ]


class UnknownComponent(Exception):
    """No component, or more than one, goes by this name, or its plugin fails. The text says what
    to write or do instead."""


@dataclass
class Registry:
    """All components that were found, the plugins that failed, and those that are not known yet.

    look_again: asks once more for what is pending or has failed, and waits for the answer.
    files: the local files whose code has run, and what is wrong with each, if anything.
    announce: is told of a local file before its code runs.
    """

    registered: list[Registered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    pending: list[Plugin] = field(default_factory=list)
    look_again: Callable[[], None] | None = None
    files: dict[Path, Failure | None] = field(default_factory=dict)
    announce: Callable[[str], None] | None = None

    def add(self, entries: Iterable[Registered]) -> None:
        """Add a plugin's components. Raises ValueError, and adds none, where one is there."""
        entries = list(entries)
        taken = {(e.component.kind, e.full_name) for e in self.registered}
        for entry in entries:
            if (entry.component.kind, entry.full_name) in taken:
                raise ValueError(f"there are two {entry.component.kind}s called {entry.full_name}")
        self.registered += entries

    def of_kind(self, kind: str) -> list[Registered]:
        found = [entry for entry in self.registered if entry.component.kind == kind]
        return sorted(found, key=lambda entry: (entry.component.name, entry.owner))

    def shortest_name(self, entry: Registered) -> str:
        """The bare name while it is unique, else the full name."""
        name = entry.component.name
        alike = [e for e in self.of_kind(entry.component.kind) if e.component.name == name]
        return name if len(alike) == 1 else entry.full_name

    def get(self, kind: str, name: str) -> Registered:
        """Find a component by its name or `owner/name`, to be used: its plugin is imported.

        Raises UnknownComponent.
        """
        found = self._named(kind, name)
        if not found and (self.pending or self.failures) and self.look_again is not None:
            self.look_again()
            found = self._named(kind, name)
        if len(found) == 1:
            failure = found[0].load() if found[0].load is not None else None
            if failure is not None:
                raise UnknownComponent(f"{failure}; {failure.remedy}")
            return found[0]
        if found:
            names = " or ".join(entry.full_name for entry in found)
            raise UnknownComponent(f"more than one {kind} is called '{name}'; write {names}")
        raise UnknownComponent(self._unknown(kind, name))

    def _named(self, kind: str, name: str) -> list[Registered]:
        return [e for e in self.of_kind(kind) if name in (e.component.name, e.full_name)]

    def _unknown(self, kind: str, name: str) -> str:
        names = [known for e in self.of_kind(kind) for known in (e.component.name, e.full_name)]
        hint = nearest(name, names) if names else "there is none: install the plugin that has it"
        message = f"no {kind} is called '{name}'; {hint}"
        owner = name.partition("/")[0]
        for failure in self.failures:
            if failure.left_out and ("/" not in name or owner == failure.owner):
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


def importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
