"""open_clip's models: their configurations, weights, tokenizers and images."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_conditioners.clip_weights import load_weights
from tina_conditioners.options import MINI, OpenClipOptions
from tina_kit.api import UserError, first_line, read_text

MINI_FILE = Path(__file__).with_name("mini_clip.json")

Config = dict[str, Any]
WITHOUT_WEIGHTS = (
    "Set `checkpoint` to a file with weights, set `weights: random` for a trial, or train a small "
    "model here (use: mini-clip, weights: train)"
)


def configuration(options: OpenClipOptions) -> Config:
    """The open_clip configuration of the model. Raises UserError if there is none or it is
    invalid."""
    if options.config is not None:
        return _own_configuration(options.config)
    if options.model == MINI:
        return _own_configuration(MINI_FILE)
    import open_clip

    names = open_clip.list_models()
    if options.model not in names:
        raise UserError(
            f"{options.component}: unknown model '{options.model}'; "
            f"{_nearest(options.model, [*names, MINI])}. Set `config` for your own configuration"
        )
    return dict(open_clip.get_model_config(options.model))


def _own_configuration(path: Path) -> Config:
    try:
        config = json.loads(read_text(path))
        config = config.get("model_cfg", config)  # as open_clip saves it next to weights
        missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config)
    except (ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not an open_clip configuration ({error})") from None
    if missing:
        raise UserError(f"{path}: not an open_clip configuration: no {', '.join(sorted(missing))}")
    return dict(config)


def image_side(config: Config) -> tuple[int, int]:
    """Height and width of the images that a model takes, in pixels. Does not import open_clip,
    which is slow."""
    side = config["vision_cfg"].get("image_size", 224)
    return (side, side) if isinstance(side, int) else tuple(side)


def tag_of(options: OpenClipOptions) -> Mapping[str, Any]:
    """open_clip's settings of pretrained weights: their location and preprocessing.

    Empty for your own weights. Raises UserError for pretrained weights that do not exist.
    """
    if options.weights != "pretrained":
        return {}
    own = options.config is not None or options.model == MINI
    if own or options.pretrained is None:
        if options.checkpoint is None:
            what = options.config or f"the model '{options.model}' without a tag"
            raise UserError(
                f"{options.component}: no weights can be downloaded for {what}. {WITHOUT_WEIGHTS}"
            )
        return {}
    import open_clip

    if not open_clip.is_pretrained_cfg(options.model, options.pretrained):
        tags = open_clip.list_pretrained_tags_by_model(options.model)
        raise UserError(
            f"{options.component}: {options.model} has no weights '{options.pretrained}'; "
            f"{_nearest(options.pretrained, tags)}. For your own weights, set `pretrained: null` "
            "and `checkpoint`"
        )
    return dict(open_clip.get_pretrained_cfg(options.model, options.pretrained))


def _nearest(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=3, cutoff=0.4)
    return f"similar: {', '.join(close)}" if close else f"available: {', '.join(names)}"


def random_model(options: OpenClipOptions, config: Config, seed: int) -> nn.Module:
    """A model on the CPU with random weights drawn from a seed."""
    import open_clip

    settings = deepcopy(config)
    # open_clip would otherwise download these.
    settings["vision_cfg"]["timm_model_pretrained"] = False
    settings["text_cfg"]["hf_model_pretrained"] = False
    custom = settings.pop("custom_text", False) or settings["text_cfg"].get("hf_model_name")
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    if "multimodal_cfg" in settings:
        kind = open_clip.CoCa
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            model: nn.Module = kind(**settings)
    except Exception as error:  # an unusual configuration can cause any error
        raise UserError(
            f"{options.component}: the model cannot be built: {first_line(error)}"
        ) from error
    return model.eval()


def pretrained_model(options: OpenClipOptions, config: Config) -> nn.Module:
    """A model with weights from a file or a download, read without running code in them."""
    tag = tag_of(options)
    path = options.checkpoint or _download(options, tag)
    own = config | ({"quick_gelu": True} if quick_gelu(config, tag) else {})
    model = random_model(options, own, seed=0)
    load_weights(model, path, str(options.config or options.model))
    return model.eval()


def quick_gelu(config: Config, tag: Mapping[str, Any]) -> bool:
    """Whether the activation is QuickGELU instead of GELU. It depends on the weights: OpenAI's were
    trained with QuickGELU, which their configurations do not mention."""
    return bool(tag.get("quick_gelu") or config.get("quick_gelu"))


def _download(options: OpenClipOptions, tag: Mapping[str, Any]) -> Path:
    import open_clip

    try:
        return Path(open_clip.download_pretrained(dict(tag)))
    except Exception as error:  # raised by the hub, urllib or open_clip
        raise UserError(
            f"{options.component}: the weights '{options.pretrained}' of {options.model} cannot be "
            f"downloaded ({first_line(error)}). {WITHOUT_WEIGHTS}"
        ) from error


def tokenizer(options: OpenClipOptions, config: Config) -> Callable[[list[str]], Tensor]:
    """Texts → int64 `(N, L)`, truncated to the model's context of L tokens."""
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    text = config["text_cfg"]
    settings = {"context_length": text.get("context_length", 77)}
    settings |= text.get("tokenizer_kwargs") or {}
    name = text.get("hf_tokenizer_name")
    try:
        if options.config is None and options.model != MINI:
            made = open_clip.get_tokenizer(options.model)
        else:
            made = HFTokenizer(name, **settings) if name else open_clip.SimpleTokenizer(**settings)
    except Exception as error:  # raised by the hub or the tokenizer's library
        raise UserError(
            f"{options.component}: the tokenizer of {options.config or options.model} cannot be "
            f"loaded ({first_line(error)})"
        ) from error
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Preprocess:
    """uint8 `(N, 3, H, W)` → float32 `(N, 3, *size)`, preprocessed as in the model's training.

    squash: resize images that are not square without preserving their aspect ratio, instead of
    centre-cropping them.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    squash: bool

    @classmethod
    def of(cls, config: Config, tag: Mapping[str, Any]) -> Preprocess:
        from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

        return cls(
            size=image_side(config),
            mean=tuple(tag.get("mean") or OPENAI_DATASET_MEAN),
            std=tuple(tag.get("std") or OPENAI_DATASET_STD),
            interpolation=tag.get("interpolation") or "bicubic",
            squash=tag.get("resize_mode") == "squash",
        )

    def __call__(self, images: Tensor) -> Tensor:
        pixels = images.float() / 255
        if not self.squash:
            pixels = _middle(pixels)
        if pixels.shape[-2:] != self.size:
            pixels = F.interpolate(pixels, self.size, mode=self.interpolation, antialias=True)
        moments = torch.tensor([self.mean, self.std], device=images.device)
        mean, std = moments[:, :, None, None]
        seen: Tensor = (pixels.clamp(0, 1) - mean) / std
        return seen


def _middle(images: Tensor) -> Tensor:
    """The largest centred square of `(N, 3, H, W)`."""
    height, width = images.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[..., top : top + side, left : left + side]
