"""Text and images embedded by CLIP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tina_conditioners.clip_models import (
    Config,
    Preprocess,
    configuration,
    pretrained_model,
    random_model,
    tag_of,
    tokenizer,
)
from tina_conditioners.clip_training import contrastive_loss, crop_and_flip
from tina_conditioners.options import OpenClipOptions
from tina_conditioners.threads import one_thread
from tina_kit.api import Conditioner, Images, Step, TinaKitError, Train, Training

WEIGHTS, DESCRIPTION = "open_clip_model.safetensors", "open_clip_config.json"
LARGEST_SCALE = 100.0  # CLIP's bound on the inverse temperature
IMAGES_AT_ONCE = 64


class OpenClip(Conditioner):
    """The two towers of an open_clip model (Section 4.1: CLIP). Rows have length 1.

    Prompts are set into `template`; the padding prompt is not. Texts longer than the model's
    context are cut. Its weights are

    - pretrained: downloaded by open_clip, or read from `checkpoint`, from which nothing is
      executed. `pretrained` brings the activation and image statistics that belong to a tag;
    - random: of `seed`, for a dry try without weights. They mean nothing;
    - train: trained from `seed` on the data set's training images and class names, with CLIP's
      loss in its multi-positive form (`contrastive_loss`). `model: mini-clip` suits this: an
      image of 32×32, 16 text tokens, minutes on two CPU cores.

    What is trained here has read nothing but the data set's class names. It tells the classes it
    was trained on apart, and images of unseen classes are still embedded by their looks; but the
    text of a class that was held out means little beyond the spelling it shares with others.
    """

    modalities = ("text", "image")

    def __init__(self, options: OpenClipOptions) -> None:
        self.options = options
        self.learns = options.weights == "train"
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
        return max(self._preprocess.size)

    def files(self) -> Mapping[str, str | Path]:
        """Unknown models and tags are told here, before anything is computed."""
        configuration(self.options)
        tag_of(self.options)
        paths = {"config": self.options.config, "checkpoint": self.options.checkpoint}
        return {name: path for name, path in paths.items() if path is not None}

    def embed(self, prompts: Sequence[str]) -> Tensor:
        model, device = self._model()
        tokens = self._tokens([self._text(prompt) for prompt in prompts]).to(device)
        with torch.no_grad(), one_thread():
            # One at a time: in a batch a prompt's last digits depend on its neighbours.
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

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        options = self.options
        model: Any = random_model(self._config, options.seed)
        tokens = self._tokens([self._text(name) for name in class_names])

        def loss(step: Step) -> Tensor:
            device = model.logit_scale.device
            size = (options.batch_size,)
            index = torch.randint(len(images.labels), size, generator=step.generator)
            classes, target = images.labels[index].unique(return_inverse=True)
            pixels = self._preprocess(images.images[index].to(device))
            return contrastive_loss(
                model.encode_image(crop_and_flip(pixels, step.generator), normalize=True),
                model.encode_text(tokens[classes].to(device), normalize=True),
                target.to(device),
                model.logit_scale.exp().clamp(max=LARGEST_SCALE),
            )

        train(model, loss, self._training)
        self._module = model

    @property
    def _training(self) -> Training:
        options = self.options
        return Training(
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            betas=(0.9, 0.98),
            warmup=options.steps // 10,
            clip=1.0,
        )

    def save(self, folder: Path) -> None:
        """Two files as open_clip itself lays them out: it reads the folder as `local-dir:`."""
        model, _ = self._model()
        tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
        save_file(tensors, folder / WEIGHTS)
        images = {"mean": self._preprocess.mean, "std": self._preprocess.std}
        description = {"model_cfg": self._config, "preprocess_cfg": images}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")

    def load(self, folder: Path) -> None:
        model = random_model(self._config, seed=0)
        model.load_state_dict(load_file(folder / WEIGHTS))
        self._module = model

    def _text(self, prompt: str) -> str:
        if prompt == self.padding_prompt:
            return prompt
        return self.options.template.replace("{}", prompt)

    def _model(self) -> tuple[Any, torch.device]:
        device = self.device or torch.device("cpu")
        if self._module is None and self.learns:
            raise TinaKitError("open-clip: `weights: train`, but it was neither fitted nor loaded")
        if self._module is None and self.options.weights == "random":
            self._module = random_model(self._config, self.options.seed)
        elif self._module is None:
            self._module = pretrained_model(self.options, self._config)
        return self._module.to(device).eval(), device
