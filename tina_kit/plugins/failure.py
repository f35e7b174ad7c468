"""What is wrong with a plugin, and what helps."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import Any

DISABLE = "TINA_KIT_DISABLE_PLUGINS"
_DID = {
    "import": "it failed to import",
    "register": "it failed to register",
    "components": "it failed to give its components",
    "api": "it was written for another API",
    "options": "its options cannot be used",
    "target": "it names code that cannot be imported",
}
_MISSING = re.compile(r"No module named '([\w.]+)'")


@dataclass(frozen=True)
class Failure:
    """A plugin that cannot be used, or not as it should be.

    owner, version: of its distribution; `local` for a single file.
    stage: import, register, components, api, options or target.
    reason: one line. left_out: False where its components work all the same.
    """

    owner: str
    version: str
    entry_point: str
    stage: str
    reason: str
    traceback: str = ""
    left_out: bool = True

    def __str__(self) -> str:
        which = f"plugin {self.entry_point} of {self.owner}"
        if self.left_out:
            return f"{which} is left out: {_DID[self.stage]} ({self.reason})"
        return f"{which}: {self.reason}"

    @property
    def remedy(self) -> str:
        """What the user can do."""
        if self.owner == "local":
            return "mend the file"
        upgrade = f"pip install -U {self.owner}"
        switch_off = f"{DISABLE}={self.entry_point} switches it off"
        missing = _MISSING.search(self.reason)
        if missing is not None:
            package = missing[1].partition(".")[0]
            return f"pip install {package} (or whatever package holds {package}); {switch_off}"
        if self.stage == "api" and "newer" in self.reason:
            return f"pip install -U tina-kit; {switch_off}"
        if not self.left_out:
            return f"tell its authors; {switch_off}"
        return f"{upgrade}, or tell its authors; {switch_off}"

    def facts(self) -> dict[str, Any]:
        """For programs: its fields and the remedy."""
        return {**asdict(self), "remedy": self.remedy}

    @classmethod
    def of_facts(cls, facts: dict[str, Any]) -> Failure:
        return cls(**{field.name: facts[field.name] for field in fields(cls)})
