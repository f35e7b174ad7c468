"""The registry: components by kind and name, with their origin."""

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

    content: the hash of a local file; it enters keys, since nobody raises versions in such files.
    plugin: the plugin that declares it, for messages about failures.
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
        """The required modules that are not installed, each with how to install it."""
        needs = [need.partition(" ")[::2] for need in self.component.needs]
        with Guard():  # finding a module imports its parent packages
            absent = {module for module, _ in needs if not importable(module)}
        return [
            (module, how.strip("()") or f"pip install {module}")
            for module, how in needs
            if module in absent
        ]


class UnknownComponent(Exception):
    """There is no component of this name, or more than one, or its options cannot be used. The
    message says what to do."""


@dataclass
class Registry:
    """All components that were found, their plugins, and what is wrong with plugins.

    files: the local files whose code has run, each with its failure or None.
    announce: called with a message before the code of a local file runs.
    """

    registered: list[Registered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    plugins: list[Loaded] = field(default_factory=list)
    files: dict[Path, Failure | None] = field(default_factory=dict)
    announce: Callable[[str], None] | None = None

    def add(self, loaded: Loaded) -> None:
        """Add a plugin and its components. Raises Refused, and adds nothing, if another plugin of
        the same owner has a component of the same kind and name."""
        plugin = loaded.plugin
        entries = [
            Registered(component, plugin.owner, plugin.origin, plugin.content, plugin)
            for component in loaded.components
        ]
        taken = {(e.component.kind, e.full_name): e.origin for e in self.registered}
        for entry in entries:
            other = taken.get((entry.component.kind, entry.full_name))
            if other is not None:
                what = f"there are two {entry.component.kind}s named {entry.full_name}"
                raise Refused(f"{what}; the other one is from {other}")
        self.registered += entries
        self.plugins.append(loaded)

    def of_kind(self, kind: str) -> list[Registered]:
        found = [entry for entry in self.registered if entry.component.kind == kind]
        return sorted(found, key=lambda entry: (entry.component.name, entry.owner))

    def shortest_name(self, entry: Registered) -> str:
        """The bare name if it is unique, otherwise the full name."""
        name = entry.component.name
        alike = [e for e in self.of_kind(entry.component.kind) if e.component.name == name]
        return name if len(alike) == 1 else entry.full_name

    def get(self, kind: str, name: str) -> Registered:
        """Find a component by its name or `owner/name`, and check that its options can be imported.

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
            raise UnknownComponent(f"more than one {kind} is named '{name}'; write {names}")
        raise UnknownComponent(self._unknown(kind, name))

    def _named(self, kind: str, name: str) -> list[Registered]:
        return [e for e in self.of_kind(kind) if name in (e.component.name, e.full_name)]

    def _unknown(self, kind: str, name: str) -> str:
        names = [known for e in self.of_kind(kind) for known in (e.component.name, e.full_name)]
        hint = nearest(name, names) if names else "install the plugin that provides it"
        message = f"unknown {kind} '{name}'; {hint}"
        owner = name.partition("/")[0]
        for failure in self.failures:
            if failure.left_out and ("/" not in name or owner == failure.owner):
                message += f" (plugin {failure.entry_point} of {failure.owner} failed to load)"
        return message


def _unusable(entry: Registered) -> Failure | None:
    """Why its options cannot be imported, or None."""
    with Guard() as guard:
        check_options(import_attribute(entry.component.options))
    if guard.error is None:
        return None
    plugin = entry.plugin or Plugin(entry.owner, "", entry.component.name)
    failure = plugin.failure("options", guard.error, left_out=False)
    where = f"{entry.component.kind} {entry.component.name}: {entry.component.options}"
    return replace(failure, reason=f"{where}: {failure.reason}")


def check_options(model: Any) -> None:
    """Raise Refused if it is not a subclass of Options."""
    from tina_kit.api.options import Options

    if not (isinstance(model, type) and issubclass(model, Options)):
        raise Refused("it is not a subclass of Options")


def nearest(name: str, names: Sequence[str]) -> str:
    """The most similar of the existing names, or else all bare names, as a hint in a message."""
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "none available"
    return "available: " + ", ".join(sorted({n for n in names if "/" not in n}))


def known_kind(text: str, kinds: Sequence[str] = KINDS) -> str:
    """One of `kinds`, its plural too. Raises UserError."""
    if text in kinds:
        return text
    if text.removesuffix("s") in kinds:
        return text.removesuffix("s")
    close = get_close_matches(text, kinds, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"available: {', '.join(kinds)}"
    raise UserError(f"unknown kind '{text}'; {hint}")


def importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (Exception, SystemExit):  # raised by its parent packages
        return False
