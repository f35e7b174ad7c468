"""The API for plugin authors. Importing it does not import torch; names load on first use.

`API_VERSION` is its version; `tina_kit.api.component` says what the version promises. A plugin
declares `Component`s. The class of each implements the contract of its kind (`Dataset`,
`TaskSampler`, `Architecture`, `Tokenizer`, `Conditioner`, `Generator`, `Augmentation`, `Study`) and
is constructed with its `Options`. `tina_kit.api.dataset` defines the letters used in tensor shapes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tina_kit.api.component import API_VERSION, Component, hookimpl

if TYPE_CHECKING:
    from tina_kit.api.architecture import Architecture
    from tina_kit.api.augmentation import Augmentation
    from tina_kit.api.by_class import ByClass
    from tina_kit.api.checkpoints import StateDict, check_finite, read_checkpoint, read_state_dict
    from tina_kit.api.conditioner import Conditioner
    from tina_kit.api.dataset import Dataset, Images, Split
    from tina_kit.api.errors import TinaKitError, UserError, first_line
    from tina_kit.api.files import content_kind, file_problem
    from tina_kit.api.generator import Context, Generator, ImagePrompts, Learning, Request, Zoo
    from tina_kit.api.image_files import ImageListing, is_service_folder, list_images
    from tina_kit.api.images import read_images, unreadable_images
    from tina_kit.api.layout import Layout, Parameter
    from tina_kit.api.messages import abridged, printable
    from tina_kit.api.names import as_words, name_index, name_key
    from tina_kit.api.observer import Observer, RunInfo, StageInfo, StepInfo
    from tina_kit.api.options import (
        Added,
        Aside,
        AtGeneration,
        ComponentSpec,
        FieldFacts,
        Nested,
        Options,
        Row,
        TaskOptions,
        TrainingOptions,
        Unit,
    )
    from tina_kit.api.paths import cache_folder, environment_path, user_path
    from tina_kit.api.saving import save_tensors
    from tina_kit.api.study import Study, Trial
    from tina_kit.api.task_sampler import Classes, TaskSampler
    from tina_kit.api.text import read_text
    from tina_kit.api.token_map import TokenMap
    from tina_kit.api.tokenizer import Token, Tokenizer
    from tina_kit.api.training import Step, Train, Training

_HOME = {
    "checkpoints": "StateDict check_finite read_checkpoint read_state_dict",
    "architecture": "Architecture",
    "augmentation": "Augmentation",
    "by_class": "ByClass",
    "conditioner": "Conditioner",
    "dataset": "Dataset Images Split",
    "errors": "TinaKitError UserError first_line",
    "files": "content_kind file_problem",
    "image_files": "ImageListing is_service_folder list_images",
    "generator": "Context Generator ImagePrompts Learning Request Zoo",
    "images": "read_images unreadable_images",
    "layout": "Layout Parameter",
    "messages": "abridged printable",
    "names": "as_words name_index name_key",
    "options": (
        "Added Aside AtGeneration ComponentSpec FieldFacts Nested Options Row TaskOptions "
        "TrainingOptions Unit"
    ),
    "observer": "Observer RunInfo StageInfo StepInfo",
    "paths": "cache_folder environment_path user_path",
    "saving": "save_tensors",
    "study": "Study Trial",
    "text": "read_text",
    "task_sampler": "Classes TaskSampler",
    "token_map": "TokenMap",
    "tokenizer": "Token Tokenizer",
    "training": "Step Train Training",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "API_VERSION",
    "Added",
    "Architecture",
    "Aside",
    "AtGeneration",
    "Augmentation",
    "ByClass",
    "Classes",
    "Component",
    "ComponentSpec",
    "Conditioner",
    "Context",
    "Dataset",
    "FieldFacts",
    "Generator",
    "ImageListing",
    "ImagePrompts",
    "Images",
    "Layout",
    "Learning",
    "Nested",
    "Observer",
    "Options",
    "Parameter",
    "Request",
    "Row",
    "RunInfo",
    "Split",
    "StageInfo",
    "StateDict",
    "Step",
    "StepInfo",
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
    "Unit",
    "UserError",
    "Zoo",
    "abridged",
    "as_words",
    "cache_folder",
    "check_finite",
    "content_kind",
    "environment_path",
    "file_problem",
    "first_line",
    "hookimpl",
    "is_service_folder",
    "list_images",
    "name_index",
    "name_key",
    "printable",
    "read_checkpoint",
    "read_images",
    "read_state_dict",
    "read_text",
    "save_tensors",
    "unreadable_images",
    "user_path",
]


def __dir__() -> list[str]:
    return __all__  # so that `help` also lists names that have not been loaded yet


def __getattr__(name: str) -> Any:
    # Lazy: importing pydantic alone takes a third of the time budget of `tina-kit list`.
    if name in _MODULE_OF:
        return getattr(import_module(f"tina_kit.api.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
