"""Loads weights of open_clip models from third-party files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from tina_kit.api import UserError, check_finite, read_state_dict

_log = logging.getLogger(f"tina_kit.{__name__}")
_BESIDE = {"input_resolution", "context_length", "vocab_size"}  # numbers in OpenAI's own files


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load the weights in a file, of any precision, into a model.

    Position embeddings for another image size or text length are resampled, which is logged. name:
    of the model. Raises UserError naming the tensors that are missing, unexpected, of another shape
    (with both shapes) or not finite.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    found = read_state_dict(path, shapes)
    state = {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in found.tensors.items()
        if key not in _BESIDE
    }
    check_finite(state, str(path))
    found = replace(found, tensors=state)
    if misfit := found.misfit(shapes, exact=True):
        resampled = replace(found, tensors=_resampled(model, state))
        if resampled.misfit(shapes, exact=True):
            _convert(model, path, f"{path}: not the weights of {name}: {misfit}")
            return
        _log.warning("%s: resampled for %s: %s", path, name, misfit)
        found = resampled
    model.load_state_dict(found.tensors)


def _resampled(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with position embeddings resampled to the model's sizes, if possible."""
    from open_clip.model import resize_pos_embed, resize_text_pos_embed

    resampled = dict(state)
    try:
        resize_pos_embed(resampled, model)
        resize_text_pos_embed(resampled, model)
    except Exception:  # every kind of model fails in its own way
        return dict(state)
    return resampled


def _convert(model: nn.Module, path: Path, otherwise: str) -> None:
    """Let open_clip load a file, since it supports further formats."""
    import open_clip

    try:
        open_clip.load_checkpoint(model, str(path), weights_only=True)
    except Exception as error:  # every model's weights fail in their own way
        raise UserError(otherwise) from error
