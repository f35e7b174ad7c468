"""Any timm backbone with a generated linear classifier."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_architectures.classifier import classifier_parameters, classify_many
from tina_architectures.options import TimmOptions
from tina_architectures.pixels import standardise
from tina_kit.api import (
    Architecture,
    Layout,
    StateDict,
    UserError,
    check_finite,
    first_line,
    read_state_dict,
)


class Network(nn.Module):
    """Resize, backbone without its own classifier, `fc`.

    backbone: images `(B, 3, height, width)` → pooled features `(B, D)`; size: (height, width).
    """

    def __init__(
        self, backbone: nn.Module, classes: int, size: tuple[int, int], train_backbone: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(train_backbone)
        self.fc = nn.Linear(cast(int, backbone.head_hidden_size), classes)
        self.size = size
        self.train_backbone = train_backbone

    def features(self, images: Tensor) -> Tensor:
        # Resized here, so that stored images and transfers to the device stay small.
        if images.shape[-2:] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        return cast(Tensor, self.backbone(images))

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.fc(self.features(images)))

    def train(self, mode: bool = True) -> Network:
        """A backbone that is not trained also keeps its batch-norm statistics."""
        super().train(mode)
        if not self.train_backbone:
            self.backbone.eval()
        return self


class Backbone(Architecture):
    """p-Models are linear maps of the backbone's pooled features `(N, D)`.

    Images are standardised by the model's own mean and standard deviation. Raises UserError if timm
    has no such model or it does not support `image_size`, and in `initial` if its weights cannot be
    loaded.
    """

    frozen_features = True

    def __init__(self, options: TimmOptions) -> None:
        self.options = options
        known = [*timm.list_models(), *timm.list_pretrained()]
        if options.model not in known:
            close = get_close_matches(options.model, known, n=3, cutoff=0.4)
            hint = (
                f"similar: {', '.join(close)}" if close else "timm.list_models() lists all models"
            )
            raise UserError(f"timm: unknown model '{options.model}'; {hint}")
        config = timm.get_pretrained_cfg(options.model) or timm.models.PretrainedCfg()
        self.mean, self.std = config.mean, config.std
        self.size: tuple[int, int] = config.input_size[1:]
        self._arguments: dict[str, Any] = {}
        if options.image_size is not None:
            self.size = (options.image_size, options.image_size)
            if config.fixed_input_size:
                self._arguments["img_size"] = self.size
            self.layout(2)  # reports an unsupported size before anything is trained

    def files(self) -> Mapping[str, str | Path]:
        path = self.options.checkpoint
        return {} if path is None else {"checkpoint": path}

    def facts(self) -> Mapping[str, Any]:
        """The image size and statistics that the model's weights expect."""
        seen = {"image mean": list(self.mean), "image std": list(self.std)}
        return {"image size": list(self.size), **seen}

    def build(self, classes: int) -> nn.Module:
        return self._network(self._create(), classes)

    def initial(self, classes: int) -> nn.Module:
        if self.options.checkpoint is not None:
            return self._network(self._from_file(self.options.checkpoint), classes)
        if self.options.pretrained:
            return self._network(self._downloaded(), classes)
        return self.build(classes)

    def layout(self, classes: int) -> Layout:
        return Layout(classifier_parameters(self._width, classes))

    def normalise(self, images: Tensor) -> Tensor:
        return standardise(images, self.mean, self.std)

    def inputs(self, module: nn.Module, images: Tensor) -> Tensor:
        return cast(Network, module).features(self.normalise(images)).float()

    def forward_many(
        self, vectors: Tensor, inputs: Tensor, classes: int, frozen: Mapping[str, Tensor]
    ) -> Tensor:
        return classify_many(vectors, inputs, classes)

    @cached_property
    def _width(self) -> int:
        """D, without filling a backbone with weights. Raises UserError when it takes no images of
        `image_size`."""
        try:
            with torch.device("meta"):
                return int(self._create().eval()(torch.empty(1, 3, *self.size)).shape[1])
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            if self.options.image_size is None:
                raise
            raise UserError(
                f"timm: '{self.options.model}' does not support image_size: "
                f"{self.options.image_size} ({first_line(error)}); leave it out to use the model's "
                "own"
            ) from None

    def _network(self, backbone: nn.Module, classes: int) -> Network:
        return Network(backbone, classes, self.size, self.options.train_backbone)

    def _create(self, **weights: Any) -> nn.Module:
        """The backbone without a classifier."""
        return timm.create_model(self.options.model, num_classes=0, **self._arguments, **weights)

    def _downloaded(self) -> nn.Module:
        try:
            return self._create(pretrained=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"timm: the weights of '{self.options.model}' cannot be downloaded "
                f"({first_line(error)}). Set `checkpoint` to a file with the weights, or set "
                "`pretrained: false`"
            ) from error

    def _from_file(self, path: Path) -> nn.Module:
        with torch.device("meta"):
            whole = timm.create_model(self.options.model).state_dict()
            mine = {name: tuple(t.shape) for name, t in self._create().state_dict().items()}
        found = read_state_dict(path, mine.keys())
        state = {
            name: tensor
            for name, tensor in timm.models.clean_state_dict(dict(found.tensors)).items()
            if name in mine or name not in whole
        }
        check_finite(state, str(path))
        # Without a classifier to adapt, timm loads strictly and rejects another model's weights.
        weights = {"state_dict": state, "num_classes": 0, "classifier": None}
        try:
            backbone = self._create(pretrained=True, pretrained_cfg_overlay=weights)
        except (KeyError, RuntimeError) as error:
            misfit = StateDict(state).misfit(mine, exact=True)
            reason = misfit or " ".join(str(error).split())[:300]
            raise UserError(
                f"{path}: not the weights of timm's '{self.options.model}': {reason}"
            ) from None
        cast(dict[str, Any], backbone.pretrained_cfg).pop("state_dict")  # frees it
        return backbone
