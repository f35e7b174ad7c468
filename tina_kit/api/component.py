"""What a plugin declares, and for which API. Plain data: importing this costs next to nothing.

`API_VERSION` is the version of `tina_kit.api` and `tina_kit.testing`; it is a whole number, apart
from tina-kit's own version, and a component says with `api` for which one it was written. What the
number promises:

- While it stays the same, a plugin that works goes on working: no name, parameter, field or method
  is taken away or renamed, none gets another meaning, shape or dtype, and what is added to a
  contract has a default. New names, kinds and optional fields may come with any version of
  tina-kit; a plugin that uses one asks for it in its dependencies (`tina-kit>=0.3`).
- It is raised when a plugin must be changed to go on working, never in a patch release, and
  CHANGELOG.md then says what to change. Where it can be, the old way has warned for one minor
  version before.
- A component of another `api` is refused with its whole plugin, before anything of it is built,
  and costs the others nothing.
- Names with a leading underscore and modules outside `tina_kit.api` and `tina_kit.testing` are no
  part of the promise. Results (cache keys) are not either: a component's `version` stands for them.

`tests/api/surface.json` records the surface; a test fails when it changes unrecorded.
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
    "str": (str, "text"),
    "int": (int, "a whole number"),
    "tuple[str, ...]": (tuple, "a tuple of texts, like ('pyarrow',)"),
}

hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Component:
    """One part that a recipe can name.

    kind: one of KINDS.
    name: lower-case words joined by hyphens; with the owner it makes the full name `owner/name`.
    target: `"module:attribute"`, called as `target(options, **parts)` when the part is built and
        imported no sooner.
    options: `"module:attribute"` of its `Options` class, in a module that does not import torch.
    summary: one line; the paper's section where the part comes from it.
    version: raise it when the same options give other results; it is part of every cache key.
    needs: importable modules beyond the kit's own dependencies, as `"module"` or
        `"module (how to install it)"`.
    api: the API_VERSION that it was written for, as a plain number.
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
