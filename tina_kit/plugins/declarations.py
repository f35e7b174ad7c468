"""What the plugins of other distributions declare, known without importing them each time.

tina-kit cannot say how long somebody else's module takes to import, or what it does then. So such a
plugin is imported by the processes of `tina_kit.plugins.probe` alone, once, and what it declared is
kept as a JSON file in the folder `plugins` beside the store. `list`, `--help`, completion and
recipes that do not use the plugin read that file; a recipe that uses one of its components imports
it for real.

A declaration holds as long as the Python, tina-kit's version, the distribution's version and the
files beside the plugin's module (paths, sizes, dates) are what they were; what a plugin declares
may depend on these alone. A failure may have its reason outside them, so it is also forgotten
when anything was installed or removed (the date of a site-packages folder), and asked for anew by
`list --broken`, `doctor` and a recipe that names a component nobody knows.

A process that takes longer than the caller can wait goes on by itself and leaves its declaration
for a later call; until then its plugin is `pending`, and nobody in a hurry asks for it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tina_kit
from tina_kit.plugins.loading import Plugin

LIMIT = 60.0
"""Seconds after which an import is given up."""
_DRAFT = ".new-"
_START = 1.0  # seconds that a process may take before it imports anything
_STARTED: list[subprocess.Popen[bytes]] = []  # kept, so that each is waited for


@dataclass(frozen=True)
class Installed:
    """A plugin of another distribution, and the file that keeps its declaration."""

    plugin: Plugin
    point: EntryPoint
    folder: Path

    @property
    def file(self) -> Path:
        place = [self.plugin.owner, self.plugin.name, self.point.value, sys.prefix]
        place += [platform.python_version(), *map(str, _sources(self.point.module)[:1])]
        digest = hashlib.sha256("\n".join(place).encode()).hexdigest()[:16]
        return self.folder / f"{self.plugin.owner}--{self.plugin.name}-{digest}.json"

    def stamp(self) -> list[Any]:
        """What a declaration depends on."""
        files = []
        for path in _sources(self.point.module):
            with suppress(OSError):
                status = path.stat()
                files.append([str(path), status.st_size, status.st_mtime_ns])
        return [tina_kit.__version__, self.plugin.version, files]

    def declared(self, failures: bool = True) -> dict[str, Any] | None:
        """The declaration, None where there is none that holds.

        failures: False asks for failed plugins anew.
        """
        told = self._read()
        if told is None or "since" in told:
            return None
        if told.get("failure") and not (failures and told.get("environment") == environment()):
            return None
        return told

    @property
    def asked(self) -> bool:
        """Whether some process is at it."""
        told = self._read()
        since = told.get("since") if told else None
        return since is not None and 0 <= time.time() - since < LIMIT + _START

    def _read(self) -> dict[str, Any] | None:
        """What is kept, where it is about the plugin as it is."""
        try:
            told = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) and told.get("stamp") == self.stamp() else None

    def write(self, told: dict[str, Any]) -> None:
        """Keep a declaration; whole or not at all."""
        told = {"stamp": self.stamp(), "environment": environment(), **told}
        draft = self.folder / f"{_DRAFT}{secrets.token_hex(8)}"
        try:
            draft.write_text(json.dumps(told), encoding="utf-8")
            os.replace(draft, self.file)
        finally:
            draft.unlink(missing_ok=True)


class Examination:
    """Plugins being imported by processes of their own, side by side.

    deep: with the code of all their components. Raises OSError where no process can be started or
    nothing can be kept.
    """

    def __init__(self, plugins: Sequence[Installed], deep: bool = False) -> None:
        place = plugins[0].folder
        place.mkdir(parents=True, exist_ok=True)
        for draft in place.glob(f"{_DRAFT}*"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > 2 * LIMIT:  # its writer was killed
                    draft.unlink()
        if not sys.executable or not hasattr(os, "fork"):
            raise OSError("this platform cannot fork")
        for plugin in plugins:
            plugin.write({"since": time.time()})
        code = "import sys; sys.path[:] = sys.argv[1:]; from tina_kit.plugins import probe"
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{code}; probe.main()", *(p or os.getcwd() for p in sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _STARTED[:] = [*(old for old in _STARTED if old.poll() is None), self.process]
        names = [[p.plugin.owner, p.plugin.version, p.plugin.name, p.point.value] for p in plugins]
        request = {"folder": str(place), "limit": LIMIT, "deep": deep, "plugins": names}
        with suppress(BrokenPipeError), self.process.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(request).encode())

    def wait(self, patience: float | None = None) -> None:
        """patience: seconds of import; None for as long as it takes, at most LIMIT."""
        from select import select

        # The process writes a byte when it begins to import, and ends when all are known.
        assert self.process.stdout is not None
        with self.process.stdout as pipe:
            begun, _, _ = select([pipe], [], [], 2 * LIMIT if patience is None else _START)
            if begun and os.read(pipe.fileno(), 1):
                select([pipe], [], [], 2 * LIMIT if patience is None else patience)


def folder() -> Path:
    """Beside the store: inside the folder that TINA_KIT_STORE names, or the user's cache."""
    named = os.environ.get("TINA_KIT_STORE")
    if named:
        return Path(named).expanduser().resolve() / ".plugins"
    from platformdirs import user_cache_path

    if os.path.expanduser("~") == "~":
        return Path(os.devnull) / "plugins"  # where nothing can be kept
    return user_cache_path("tina-kit") / "plugins"


def environment() -> list[Any]:
    """Changes when a distribution is installed or removed."""
    dates = []
    for path in sys.path:
        if path.endswith(("site-packages", "dist-packages")):
            with suppress(OSError):
                dates.append([path, os.stat(path).st_mtime_ns])
    return dates


def _sources(module: str) -> list[Path]:
    """The module's own file first, then the others beside it, found without importing it."""
    top, *below = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    for location in spec.submodule_search_locations:
        for own in (Path(location, *below) / "__init__.py", Path(location, *below[:-1])):
            if below and own.name != "__init__.py":
                own = own / f"{below[-1]}.py"
            if own.is_file():
                return [own, *(p for p in sorted(own.parent.glob("*.py")) if p != own)]
    return []
