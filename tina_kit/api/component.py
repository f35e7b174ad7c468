"""What a plugin declares. Plain data: importing this module costs next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

PROJECT = "tina_kit"
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
    """

    kind: str
    name: str
    target: str
    options: str
    summary: str
    version: int = 1
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
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
