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
for the next call; until then its plugin is `pending`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
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
        try:
            told = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(told, dict) or told.get("stamp") != self.stamp():
            return None
        if told.get("failure") and not (failures and told.get("environment") == environment()):
            return None
        return told

    def write(self, told: dict[str, Any]) -> None:
        """Keep a declaration; whole or not at all."""
        told = {"stamp": self.stamp(), "environment": environment(), **told}
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(told, file)
        os.replace(name, self.file)


def examine(
    plugins: Sequence[Installed], patience: float | None = None, deep: bool = False
) -> bool:
    """Have plugins imported by processes of their own, side by side, and wait for them.

    patience: seconds; None for as long as it takes, at most LIMIT. deep: with the code of all
    their components. Returns False where no process can be started or nothing can be kept.
    """
    if not plugins or not _usable(plugins[0].folder):
        return not plugins
    request = {
        "folder": str(plugins[0].folder),
        "limit": LIMIT,
        "deep": deep,
        "plugins": [
            [p.plugin.owner, p.plugin.version, p.plugin.name, p.point.value] for p in plugins
        ],
    }
    code = "import sys; sys.path[:] = sys.argv[1:]; from tina_kit.plugins.probe import main; main()"
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *(path or os.getcwd() for path in sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    _STARTED[:] = [*(old for old in _STARTED if old.poll() is None), process]
    with suppress(OSError), process.stdin as pipe:  # type: ignore[union-attr]
        pipe.write(json.dumps(request).encode())
    _wait(process, LIMIT + 10 if patience is None else patience)
    return True


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Until it closes its stdout, which it does when all plugins are known."""
    from select import select

    assert process.stdout is not None
    with process.stdout:
        select([process.stdout], [], [], seconds)


def folder() -> Path:
    """Beside the store: inside the folder that TINA_KIT_STORE names, or the user's cache."""
    named = os.environ.get("TINA_KIT_STORE")
    if named:
        return Path(named).expanduser().resolve() / ".plugins"
    from platformdirs import user_cache_path

    return user_cache_path("tina-kit") / "plugins"


def environment() -> list[Any]:
    """Changes when a distribution is installed or removed."""
    dates = []
    for path in sys.path:
        if path.endswith(("site-packages", "dist-packages")):
            with suppress(OSError):
                dates.append([path, os.stat(path).st_mtime_ns])
    return dates


def _usable(folder: Path) -> bool:
    if not sys.executable or not hasattr(os, "fork"):
        return False
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


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
