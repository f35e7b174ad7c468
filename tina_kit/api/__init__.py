"""What a plugin author imports. Nothing here imports torch; names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tina_kit.api.component import Component, hookimpl

if TYPE_CHECKING:
    from tina_kit.api.contracts import (
        Architecture,
        Augmentation,
        Conditioner,
        Context,
        Dataset,
        Generator,
        Images,
        Request,
        Split,
        Step,
        Study,
        TaskSampler,
        Token,
        Tokenizer,
        Training,
        Zoo,
    )
    from tina_kit.api.errors import TinaKitError, UserError
    from tina_kit.api.layout import Layout, Parameter
    from tina_kit.api.options import Options, Part, TaskOptions, TrainingOptions, part, parts
    from tina_kit.api.tokens import TokenMap

_HOME = {
    "contracts": (
        "Architecture Augmentation Conditioner Context Dataset Generator Images Request Split "
        "Step Study TaskSampler Token Tokenizer Training Zoo"
    ),
    "errors": "TinaKitError UserError",
    "layout": "Layout Parameter",
    "options": "Options Part TaskOptions TrainingOptions part parts",
    "tokens": "TokenMap",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "Architecture",
    "Augmentation",
    "Component",
    "Conditioner",
    "Context",
    "Dataset",
    "Generator",
    "Images",
    "Layout",
    "Options",
    "Parameter",
    "Part",
    "Request",
    "Split",
    "Step",
    "Study",
    "TaskOptions",
    "TaskSampler",
    "TinaKitError",
    "Token",
    "TokenMap",
    "Tokenizer",
    "Training",
    "TrainingOptions",
    "UserError",
    "Zoo",
    "hookimpl",
    "part",
    "parts",
]


def __getattr__(name: str) -> Any:
    # Lazy, because pydantic alone would take a third of the time `tina-kit list` may take.
    if name in _MODULE_OF:
        return getattr(import_module(f"tina_kit.api.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
