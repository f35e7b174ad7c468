"""What a plugin author imports. Nothing here imports torch; names load on first use.

`API_VERSION` numbers what is here; `tina_kit.api.component` says what the number promises. A plugin
declares `Component`s; the class of each keeps the contract of its kind (`Dataset`, `TaskSampler`,
`Architecture`, `Tokenizer`, `Conditioner`, `Generator`, `Augmentation`, `Study`) and is built with
its `Options`. Tensors are named with their shapes as `tina_kit.api.contracts` lists them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tina_kit.api.component import API_VERSION, Component, hookimpl

if TYPE_CHECKING:
    from tina_kit.api.checkpoints import StateDict, read_checkpoint, read_state_dict
    from tina_kit.api.contracts import (
        Architecture,
        Augmentation,
        Classes,
        Conditioner,
        Dataset,
        Images,
        Split,
        TaskSampler,
        Token,
        Tokenizer,
    )
    from tina_kit.api.errors import TinaKitError, UserError
    from tina_kit.api.files import (
        ImageListing,
        content_kind,
        file_problem,
        is_service_folder,
        list_images,
    )
    from tina_kit.api.generation import (
        Context,
        Generator,
        ImagePrompts,
        Learning,
        Request,
        Step,
        Train,
        Training,
        Zoo,
    )
    from tina_kit.api.images import read_images, unreadable_images
    from tina_kit.api.layout import Layout, Parameter
    from tina_kit.api.messages import abridged, printable
    from tina_kit.api.names import as_words, name_index, name_key
    from tina_kit.api.options import (
        Options,
        Part,
        TaskOptions,
        TrainingOptions,
        aside,
        at_generation,
        part,
        parts,
        row,
    )
    from tina_kit.api.paths import environment_path, store_folder, user_path
    from tina_kit.api.study import Study, Trial
    from tina_kit.api.text import read_text
    from tina_kit.api.tokens import TokenMap

_HOME = {
    "checkpoints": "StateDict read_checkpoint read_state_dict",
    "contracts": (
        "Architecture Augmentation Classes Conditioner Dataset Images Split TaskSampler Token "
        "Tokenizer"
    ),
    "errors": "TinaKitError UserError",
    "files": ("ImageListing content_kind file_problem is_service_folder list_images"),
    "generation": "Context Generator ImagePrompts Learning Request Step Train Training Zoo",
    "images": "read_images unreadable_images",
    "layout": "Layout Parameter",
    "messages": "abridged printable",
    "names": "as_words name_index name_key",
    "options": "Options Part TaskOptions TrainingOptions aside at_generation part parts row",
    "paths": "environment_path store_folder user_path",
    "study": "Study Trial",
    "text": "read_text",
    "tokens": "TokenMap",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "API_VERSION",
    "Architecture",
    "Augmentation",
    "Classes",
    "Component",
    "Conditioner",
    "Context",
    "Dataset",
    "Generator",
    "ImageListing",
    "ImagePrompts",
    "Images",
    "Layout",
    "Learning",
    "Options",
    "Parameter",
    "Part",
    "Request",
    "Split",
    "StateDict",
    "Step",
    "Study",
    "TaskOptions",
    "TaskSampler",
    "TinaKitError",
    "Token",
    "TokenMap",
    "Tokenizer",
    "Train",
    "Training",
    "TrainingOptions",
    "Trial",
    "UserError",
    "Zoo",
    "abridged",
    "as_words",
    "aside",
    "at_generation",
    "content_kind",
    "environment_path",
    "file_problem",
    "hookimpl",
    "is_service_folder",
    "list_images",
    "name_index",
    "name_key",
    "part",
    "parts",
    "printable",
    "read_checkpoint",
    "read_images",
    "read_state_dict",
    "read_text",
    "row",
    "store_folder",
    "unreadable_images",
    "user_path",
]


def __dir__() -> list[str]:
    return __all__  # so that `help` shows what has not been imported yet


def __getattr__(name: str) -> Any:
    # Lazy, because pydantic alone would take a third of the time `tina-kit list` may take.
    if name in _MODULE_OF:
        return getattr(import_module(f"tina_kit.api.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
