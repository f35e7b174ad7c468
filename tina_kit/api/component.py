"""What a plugin declares, and the version of the API. Plain data that is cheap to import.

`API_VERSION` is the version of `tina_kit.api` and `tina_kit.testing`: an integer, independent of
tina-kit's own version. A component states in `api` which one it was written for. What it promises:

- While the number stays the same, working plugins keep working: no name, parameter, field or
  method is removed or renamed or changes its meaning, shape or dtype, and anything added to a
  contract has a default. Any release of tina-kit may add names, kinds and optional fields; a plugin
  that uses one requires that release (`tina-kit>=0.3`).
- It is raised when plugins must change to keep working, never in a patch release, and CHANGELOG.md
  says what to change. Where possible, the old way emits a warning for one minor release first.
- A plugin with a component for another `api` is rejected before any of it is built, without
  affecting other plugins.
- Names with a leading underscore and modules outside `tina_kit.api` and `tina_kit.testing` are not
  covered. Nor are results (cache keys): those are versioned by each component's `version`.

`tests/api/surface.json` records the surface; a test fails if it changes without being recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

API_VERSION = 1
PROJECT = "tina_kit"
OWN = "tina-kit"  # the distribution of the first-party plugins
ENTRY_POINTS = "tina_kit.plugins"
KINDS = (
    "dataset",
    "task-sampler",
    "architecture",
    "tokenizer",
    "conditioner",
    "generator",
    "augmentation",
    "study",
)

_TYPES = {
    "str": (str, "a string"),
    "int": (int, "an integer"),
    "tuple[str, ...]": (tuple, "a tuple of strings, like ('pyarrow',)"),
}

hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Component:
    """A component that recipes can name.

    kind: one of KINDS.
    name: lower-case words joined by hyphens; the full name is `owner/name`.
    target: `"module:attribute"`, called as `target(options, **components)`; it is not imported
        before the component is built.
    options: `"module:attribute"` of its `Options` class, in a module that does not import torch.
    summary: one line, with the section if the component comes from the paper.
    version: raise it when the same options give different results; it enters every cache key.
    needs: modules it imports beyond tina-kit's own dependencies, as `"module"` or
        `"module (how to install it)"`.
    api: the API_VERSION that it was written for, as a literal number.
    """

    kind: str
    name: str
    target: str
    options: str
    summary: str
    version: int = 1
    needs: tuple[str, ...] = ()
    api: int = 1

    def __post_init__(self) -> None:
        for field, kind in Component.__annotations__.items():
            value = getattr(self, field)
            if not isinstance(value, _TYPES[kind][0]):
                raise TypeError(
                    f"component {self.name!r}: {field} must be {_TYPES[kind][1]}, got {value!r}"
                )
        if self.kind not in KINDS:
            raise ValueError(f"component {self.name!r}: kind {self.kind!r} is not one of {KINDS}")
        for field in ("target", "options"):
            if getattr(self, field).count(":") != 1:
                raise ValueError(
                    f"component {self.name!r}: {field} must be 'module:attribute', "
                    f"got {getattr(self, field)!r}"
                )


def import_attribute(path: str) -> Any:
    """Import `"module:attribute"`. Raises ImportError or AttributeError."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
