"""A plugin: its origin, and its content once it has been imported."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from tina_kit.api.component import Component
from tina_kit.plugins.failure import Failure, Refused, in_one_line, place_of

LOCAL = "local"
LOCAL_MODULE = "tina_kit_local_"
"""Prefix of the module names of local plugin files."""


@dataclass(frozen=True)
class Plugin:
    """The origin of a plugin.

    owner, version: of its distribution; `local` for a single file. name: of its entry point, or of
    the file. module: the module to import. file, content: path and hash of a single file.
    """

    owner: str
    version: str
    name: str
    module: str = ""
    file: str = ""
    content: str = ""

    @property
    def origin(self) -> str:
        return self.file or f"{self.owner} {self.version}".strip()

    def failure(self, stage: str, error: BaseException, left_out: bool = True) -> Failure:
        """A Failure of this plugin, caused by `error`."""
        if isinstance(error, Refused):
            stage, reason, place = error.stage or stage, str(error), error.place
        else:
            reason, place = in_one_line(error), place_of(error, self.module.partition(".")[0])
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return Failure(self.owner, self.version, self.name, stage, reason, trace, left_out, place)

    def flaw(self, stage: str, reason: str, place: str = "") -> Failure:
        """A Failure that leaves the plugin's components usable."""
        return self.failure(stage, Refused(reason, place), left_out=False)


@dataclass(frozen=True)
class Loaded:
    """An imported plugin. hooks: calls its hooks, like `hooks.tina_kit_components()`."""

    plugin: Plugin
    components: tuple[Component, ...]
    hooks: Any

    def has(self, hook: str) -> bool:
        return bool(getattr(self.hooks, hook).get_hookimpls())
