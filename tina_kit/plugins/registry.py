"""The one registry: components by kind and name, with their origin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tina_kit.api.component import KINDS, Component, import_attribute
from tina_kit.api.errors import UserError
from tina_kit.plugins.failure import Failure, Refused
from tina_kit.plugins.guard import Guard
from tina_kit.plugins.plugin import Loaded, Plugin


@dataclass(frozen=True)
class Registered:
    """A component and the distribution (or local file) it comes from.

    content: the hash of a local file, whose components' versions nobody raises; it goes into keys.
    plugin: who declares it, to be named where it cannot be used.
    """

    component: Component
    owner: str
    origin: str
    content: str = ""
    plugin: Plugin | None = field(default=None, compare=False, repr=False)

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.component.name}"

    @property
    def missing(self) -> list[tuple[str, str]]:
        """The modules it needs that are not installed, each with how to install it."""
        needs = [need.partition(" ")[::2] for need in self.component.needs]
        with Guard():  # what finds a module imports the packages around it
            absent = {module for module, _ in needs if not importable(module)}
        return [
            (module, how.strip("()") or f"pip install {module}")
            for module, how in needs
            if module in absent
        ]


class UnknownComponent(Exception):
    """No component, or more than one, goes by this name, or its options cannot be used. The text
    says what to write or do instead."""


@dataclass
class Registry:
    """All components that were found, their plugins, and what is wrong with plugins.

    files: the local files whose code has run, and why each cannot be used, if so.
    announce: is told of a local file before its code runs.
    """

    registered: list[Registered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    plugins: list[Loaded] = field(default_factory=list)
    files: dict[Path, Failure | None] = field(default_factory=dict)
    announce: Callable[[str], None] | None = None

    def add(self, loaded: Loaded) -> None:
        """Add a plugin and its components. Raises Refused, and adds nothing, where another plugin
        of its owner has a component of the same kind and name."""
        plugin = loaded.plugin
        entries = [
            Registered(component, plugin.owner, plugin.origin, plugin.content, plugin)
            for component in loaded.components
        ]
        taken = {(e.component.kind, e.full_name): e.origin for e in self.registered}
        for entry in entries:
            other = taken.get((entry.component.kind, entry.full_name))
            if other is not None:
                what = f"there are two {entry.component.kind}s called {entry.full_name}"
                raise Refused(f"{what}; the other one is from {other}")
        self.registered += entries
        self.plugins.append(loaded)

    def of_kind(self, kind: str) -> list[Registered]:
        found = [entry for entry in self.registered if entry.component.kind == kind]
        return sorted(found, key=lambda entry: (entry.component.name, entry.owner))

    def shortest_name(self, entry: Registered) -> str:
        """The bare name while it is unique, else the full name."""
        name = entry.component.name
        alike = [e for e in self.of_kind(entry.component.kind) if e.component.name == name]
        return name if len(alike) == 1 else entry.full_name

    def get(self, kind: str, name: str) -> Registered:
        """Find a component by its name or `owner/name`, to be used: its options are imported.

        Raises UnknownComponent.
        """
        found = self._named(kind, name)
        if len(found) == 1:
            failure = _unusable(found[0])
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


def _unusable(entry: Registered) -> Failure | None:
    """Why its options cannot be imported, if so."""
    with Guard() as guard:
        check_options(import_attribute(entry.component.options))
    if guard.error is None:
        return None
    plugin = entry.plugin or Plugin(entry.owner, "", entry.component.name)
    failure = plugin.failure("options", guard.error, left_out=False)
    part = f"{entry.component.kind} {entry.component.name}: {entry.component.options}"
    return replace(failure, reason=f"{part}: {failure.reason}")


def check_options(model: Any) -> None:
    """Raises Refused where it is not a class of options."""
    from tina_kit.api.options import Options

    if not (isinstance(model, type) and issubclass(model, Options)):
        raise Refused("it is not a subclass of Options")


def nearest(name: str, names: Sequence[str]) -> str:
    """The nearest of the existing names, or a few of them."""
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "there is none"
    return "there is " + ", ".join(sorted({n for n in names if "/" not in n}))


def known_kind(text: str) -> str:
    """One of KINDS, its plural too. Raises UserError."""
    for kind in (text, text.removesuffix("s")):
        if kind in KINDS:
            return kind
    raise UserError(f"there is no kind '{text}'; {nearest(text, KINDS)}")


def importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (Exception, SystemExit):  # of the packages around it
        return False
