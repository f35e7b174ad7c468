"""A network as layers in plain data, for programs that compute it without torch.

Read from the module that an architecture builds, so that an architecture need know nothing of it: a
sequence of the layers below, or of classes derived from them that compute the same. What is made of
them is compared with the module before anybody uses it (`tina_kit.zoo.exporting`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_kit.api import UserError

LAYERS = "Conv2d (padded with zeros), ReLU, AdaptiveAvgPool2d(1), Flatten and Linear"


def layers_of(module: nn.Module) -> tuple[list[dict[str, Any]], Tensor]:
    """The layers in their order, and all their weights, float32 `(P,)`.

    A layer has `kind` ("conv", "relu", "mean" over height and width, "flatten", "linear"); `weight`
    and `bias` say where in the weights theirs begin and how many they are (None without a bias).
    Raises UserError for any other network.
    """
    found, parts, start = [], [], 0
    for layer in _sequence(module):
        facts = _layer(layer)
        for name in ("weight", "bias") if facts["kind"] in ("conv", "linear") else ():
            tensor = getattr(layer, name)
            facts[name] = None if tensor is None else [start, tensor.numel()]
            if tensor is not None:
                parts.append(tensor.detach().float().cpu().flatten())
                start += tensor.numel()
        found.append(facts)
    return found, torch.cat(parts) if parts else torch.empty(0)


def compute(layers: Sequence[Mapping[str, Any]], weights: Tensor, images: Tensor) -> Tensor:
    """Normalised images, float32 `(N, 3, H, W)` → logits `(N, C)`, from what `layers_of` gives."""
    x = images
    for layer in layers:
        kind = layer["kind"]
        if kind == "conv":
            kernels = _part(weights, layer["weight"])
            assert kernels is not None
            shape = (layer["channels"], x.shape[1] // layer["groups"], *layer["kernel"])
            ways = [layer[name] for name in ("stride", "padding", "dilation", "groups")]
            x = F.conv2d(x, kernels.view(shape), _part(weights, layer["bias"]), *ways)
        elif kind == "linear":
            rows = _part(weights, layer["weight"])
            assert rows is not None
            x = F.linear(x, rows.view(-1, x.shape[1]), _part(weights, layer["bias"]))
        elif kind == "mean":
            x = x.mean((2, 3), keepdim=True)
        else:
            x = x.relu() if kind == "relu" else x.flatten(1)
    return x


def _part(weights: Tensor, place: Sequence[int] | None) -> Tensor | None:
    return None if place is None else weights[place[0] : place[0] + place[1]]


def _sequence(module: nn.Module) -> Iterator[nn.Module]:
    if not isinstance(module, nn.Sequential):
        yield module
        return
    for child in module:
        yield from _sequence(child)


def _layer(layer: nn.Module) -> dict[str, Any]:
    if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
        if not isinstance(layer.padding, str):
            ways = ("stride", "padding", "dilation")
            facts = {name: list(getattr(layer, name)) for name in ways}
            more = {"channels": layer.out_channels, "kernel": list(layer.kernel_size)}
            return {"kind": "conv", **more, **facts, "groups": layer.groups}
    elif isinstance(layer, nn.Linear):
        return {"kind": "linear"}
    elif isinstance(layer, nn.ReLU):
        return {"kind": "relu"}
    elif isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1)):
        return {"kind": "mean"}
    elif isinstance(layer, nn.Flatten) and (layer.start_dim, layer.end_dim) == (1, -1):
        return {"kind": "flatten"}
    raise UserError(
        f"a page computes only networks in sequence of {LAYERS}; this architecture has "
        f"{type(layer).__name__}. Give --format onnx, torch-export or safetensors"
    )
