"""What is wrong with a plugin, where, and how to fix it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from inspect import unwrap
from pathlib import Path
from traceback import walk_tb
from typing import Any

DISABLE = "TINA_KIT_DISABLE_PLUGINS"
_WHY = {
    "import": "it cannot be imported",
    "register": "its hooks cannot be registered",
    "components": "its components cannot be read",
    "api": "it was written for another API version",
    "options": "its options cannot be used",
    "target": "it names code that does not exist",
}
_MISSING = re.compile(r"No module named '([\w.]+)'")


@dataclass(frozen=True)
class Failure:
    """A plugin that cannot be used, or that has some other problem.

    owner, version: of its distribution; `local` for a single file.
    stage: import, register, components, api, options, target, commands or observers.
    reason: one line. file: "path:line" in the plugin's own code, if known.
    left_out: False if its components can be used anyway.
    """

    owner: str
    version: str
    entry_point: str
    stage: str
    reason: str
    traceback: str = ""
    left_out: bool = True
    file: str = ""

    def __str__(self) -> str:
        place = f" ({self.file})" if self.file else ""
        if self.left_out:
            return f"{self.plugin} was skipped because {_WHY[self.stage]}: {self.reason}{place}"
        return f"{self.plugin}: {self.reason}{place}"

    @property
    def plugin(self) -> str:
        """The plugin's name, for messages."""
        if self.owner == "local":
            return f"local plugin {self.entry_point}"
        return f"plugin {self.entry_point} of {self.owner}"

    @property
    def remedy(self) -> str:
        """What the user can do."""
        if self.owner == "local":
            return "fix the file"
        upgrade = f"pip install -U {self.owner}"
        switch_off = f"{DISABLE}={self.entry_point} disables it"
        missing = _MISSING.search(self.reason)
        if missing is not None:
            package = missing[1].partition(".")[0]
            return f"pip install {package} (or the package that provides it); {switch_off}"
        if self.stage == "api" and "newer" in self.reason:
            return f"pip install -U tina-kit; {switch_off}"
        if not self.left_out:
            return f"report it to its authors; {switch_off}"
        return f"{upgrade}, or report it to its authors; {switch_off}"

    def facts(self) -> dict[str, Any]:
        """Its fields and the remedy, for JSON output."""
        return {**asdict(self), "remedy": self.remedy}

    @classmethod
    def of_facts(cls, facts: dict[str, Any]) -> Failure:
        return cls(**{field.name: facts[field.name] for field in fields(cls)})


class Refused(Exception):
    """A problem that tina-kit itself finds in a plugin.

    place: "path:line". stage: as in Failure, if it differs from the current one.
    """

    def __init__(self, reason: str, place: str = "", stage: str = "") -> None:
        super().__init__(reason)
        self.place, self.stage = place, stage


def in_one_line(error: BaseException) -> str:
    """An error's type and the first line of its message."""
    try:
        lines = str(error).splitlines()
    except Exception:  # its `__str__` is third-party code
        lines = []
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def place_of(error: BaseException, package: str) -> str:
    """ "path:line" of the innermost frame of an error in the code of a top-level package or module;
    "" if there is none."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return f"{error.filename}:{error.lineno}"
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            place = f"{frame.f_code.co_filename}:{line}"
    return place


def defined_at(function: Any) -> str:
    """ "path:line" of a function, "" if Python does not know it."""
    code = getattr(unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""
