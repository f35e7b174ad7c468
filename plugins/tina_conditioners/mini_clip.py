"""A CLIP that is trained on the data set itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tina_conditioners.clip import OpenClip
from tina_conditioners.clip_models import random_model
from tina_conditioners.clip_training import augmented, balanced, contrastive_loss
from tina_conditioners.options import MiniClipOptions
from tina_kit.api import Images, Step, TinaKitError, Train, Training, save_tensors

WEIGHTS, DESCRIPTION = "open_clip_model.safetensors", "open_clip_config.json"
LARGEST_SCALE = 100.0  # CLIP's bound on the inverse temperature


class MiniClip(OpenClip):
    """With `weights: train`, it is trained from the random weights of `seed` on the data set's
    training images and class names, with the multi-positive form of CLIP's loss
    (`contrastive_loss`). The model mini-clip is made for this: images of 96×96, 16 text tokens,
    about 20 min on one CPU core.

    The only text it has seen are the data set's class names. It distinguishes the classes it was
    trained on, and embeds images of unseen classes by appearance, but the name of an unseen class
    means little beyond the words it shares with others.
    """

    options: MiniClipOptions

    def __init__(self, options: MiniClipOptions) -> None:
        super().__init__(options)
        self.learns = options.weights == "train"

    def fit(self, images: Images, class_names: Sequence[str], train: Train) -> None:
        options = self.options
        model: Any = random_model(options, self._config, options.seed)
        model.to(memory_format=torch.channels_last)  # makes convolutions faster
        tokens = self._tokens([self._text(name) for name in class_names])

        def loss(step: Step, model: Any) -> Tensor:
            device = model.logit_scale.device
            index = balanced(images.labels, options.batch_size, step.random)
            classes, target = images.labels[index].unique(return_inverse=True)
            pixels = self._preprocess(images.images[index].to(device))
            return contrastive_loss(
                model.encode_image(augmented(pixels, step.random), normalize=True),
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
        """Write two files in open_clip's layout, which it can read as `local-dir:FOLDER`."""
        model, _ = self._model()
        save_tensors(folder / WEIGHTS, model.state_dict())
        images = {"mean": self._preprocess.mean, "std": self._preprocess.std}
        description = {"model_cfg": self._config, "preprocess_cfg": images}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2), encoding="utf-8")

    def load(self, folder: Path) -> None:
        model = random_model(self.options, self._config, seed=0)
        model.load_state_dict(load_file(folder / WEIGHTS))
        self._module = model

    def _model(self) -> tuple[Any, torch.device]:
        if self._module is None and self.learns:
            raise TinaKitError("mini-clip: `weights: train`, but it was neither fitted nor loaded")
        return super()._model()
