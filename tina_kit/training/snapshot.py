"""Checks that a saved training can be continued."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from tina_kit.api import Training

# The optimisers' state for each parameter that has had a gradient.
_SLOTS = {"adamw": {"step", "exp_avg", "exp_avg_sq"}, "sgd": {"momentum_buffer"}}


def plain(training: Training) -> dict[str, Any]:
    """The settings of a training that affect its result by more than rounding, as JSON values."""
    settings = asdict(training)
    for name in ("checkpoint_every", "accumulate"):
        del settings[name]
    return dict(json.loads(json.dumps(settings, default=str)))


def misfit(
    tensors: Mapping[str, Tensor], state: Mapping[str, Any], module: nn.Module, training: Training
) -> str:
    """Why a checkpoint cannot be continued with this module and these settings; "" if it can.

    Such checkpoints are left by another version of a plugin, whose code enters no cache key.
    """
    if state.get("training") != plain(training):
        return "it was saved with different training settings"
    if not _is_progress(state, training.steps):
        return "it does not record the progress of the training"
    parameters = [p for p in module.parameters() if p.requires_grad]
    expected = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    if training.ema:
        expected |= {f"ema.{index}": tensor for index, tensor in enumerate(parameters)}
    saved = {n: t for n, t in tensors.items() if not n.startswith("optimizer.")}
    for name in sorted(expected.keys() | saved.keys()):
        if name not in saved:
            return f"it lacks {name}"
        if name not in expected:
            return f"the module has no {name}"
        if saved[name].shape != expected[name].shape or saved[name].dtype != expected[name].dtype:
            return f"{name} is {_kind(saved[name])}, but {_kind(expected[name])} in the module"
    return _slots_misfit(tensors, parameters, _SLOTS[training.optimizer])


def _slots_misfit(
    tensors: Mapping[str, Tensor], parameters: list[nn.Parameter], slots: set[str]
) -> str:
    found: dict[int, set[str]] = {}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        if prefix != "optimizer":
            continue
        index, _, slot = rest.partition(".")
        parameter = dict(enumerate(parameters)).get(int(index) if index.isdecimal() else -1)
        if parameter is None or (tensor.ndim and tensor.shape != parameter.shape):
            return f"{name} belongs to no parameter of the module"
        found.setdefault(int(index), set()).add(slot)
    if any(kept != slots for kept in found.values()):
        return "it was saved with a different optimiser"
    return ""


def _is_progress(state: Mapping[str, Any], steps: int) -> bool:
    try:
        points = [(int(step), float(loss)) for step, loss in state["losses"]]
        inside = all(0 < step <= state["step"] for step, _ in points)
        return inside and 0 < state["step"] <= steps and isinstance(state["sum"], float)
    except (KeyError, TypeError, ValueError):
        return False


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
