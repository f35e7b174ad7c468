"""Text and images embedded by CLIP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tina_conditioners.clip_models import (
    MINI_FILE,
    Config,
    Preprocess,
    configuration,
    image_side,
    pretrained_model,
    quick_gelu,
    random_model,
    tag_of,
    tokenizer,
)
from tina_conditioners.options import MINI, OpenClipOptions
from tina_conditioners.threads import one_thread
from tina_kit.api import Conditioner

IMAGES_AT_ONCE = 64


class OpenClip(Conditioner):
    """The two towers of an open_clip model (Section 4.1: CLIP). Rows have length 1.

    Prompts are inserted into `template`, except for the padding prompt. Texts longer than the
    model's context are truncated. Its weights are

    - pretrained: downloaded by open_clip, or read from `checkpoint` without running code in it.
      `pretrained` also selects the activation and image statistics of a tag;
    - random: drawn from `seed`, for a trial without weights. They are meaningless.
    """

    modalities = ("text", "image")

    def __init__(self, options: OpenClipOptions) -> None:
        self.options = options
        self._module: nn.Module | None = None

    @cached_property
    def _config(self) -> Config:
        return configuration(self.options)

    @cached_property
    def _tokens(self) -> Callable[[list[str]], Tensor]:
        return tokenizer(self.options, self._config)

    @cached_property
    def _preprocess(self) -> Preprocess:
        return Preprocess.of(self._config, tag_of(self.options))

    @property
    def width(self) -> int:
        return int(self._config["embed_dim"])

    @property
    def image_size(self) -> int:  # type: ignore[override]
        return max(image_side(self._config))

    def files(self) -> Mapping[str, str | Path]:
        """Also checks the model and the tag, so that errors are reported before any computation."""
        configuration(self.options)
        tag_of(self.options)
        own = MINI_FILE if self.options.model == MINI else None
        paths = {"config": self.options.config or own, "checkpoint": self.options.checkpoint}
        return {name: path for name, path in paths.items() if path is not None}

    def facts(self) -> Mapping[str, Any]:
        """The activation and image statistics, which depend on the weights."""
        seen = self._preprocess
        gelu = "QuickGELU" if quick_gelu(self._config, tag_of(self.options)) else "GELU"
        return {"activation": gelu, "image mean": list(seen.mean), "image std": list(seen.std)}

    def embed(self, prompts: Sequence[str]) -> Tensor:
        model, device = self._model()
        tokens = self._tokens([self._text(prompt) for prompt in prompts]).to(device)
        with torch.no_grad(), one_thread():
            # One at a time: in a batch a prompt's last digits depend on the other prompts.
            rows = [model.encode_text(row, normalize=True) for row in tokens.split(1)]
        return torch.cat(rows).float().cpu()

    def embed_images(self, images: Tensor) -> Tensor:
        model, device = self._model()
        with torch.no_grad():
            rows = [
                model.encode_image(self._preprocess(batch.to(device)), normalize=True)
                for batch in images.split(IMAGES_AT_ONCE)
            ]
        return torch.cat(rows).float().cpu()

    def _text(self, prompt: str) -> str:
        if prompt == self.padding_prompt:
            return prompt
        return self.options.template.replace("{}", prompt)

    def _model(self) -> tuple[Any, torch.device]:
        device = self.device or torch.device("cpu")
        if self._module is None and self.options.weights == "random":
            self._module = random_model(self.options, self._config, self.options.seed)
        elif self._module is None:
            self._module = pretrained_model(self.options, self._config)
        return self._module.to(device).eval(), device
