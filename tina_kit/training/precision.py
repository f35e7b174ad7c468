"""Selects the device and the precision."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from tina_kit.api import UserError


def resolve_device(name: str) -> torch.device:
    """The device of this name; `auto` is torch's current accelerator, or else the CPU. Raises
    UserError if the device does not exist."""
    accelerator = (
        torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    )
    if name == "auto":
        return torch.device(accelerator.type if accelerator else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(
            f"--device {name}: no such device; write cpu, cuda, cuda:1 or mps"
        ) from None
    if device.type != "cpu" and (
        accelerator is None
        or accelerator.type != device.type
        or (device.index or 0) >= torch.accelerator.device_count()
    ):
        raise UserError(
            f"--device {name}: torch finds no such device on this machine; omit it or write cpu"
        )
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """The precision of this name; `auto` is bf16 if the hardware supports it, otherwise fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if device.type == "cpu" and _cpu_has_bf16() else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision: weights and optimiser stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _cpu_has_bf16() -> bool:
    # Without the instructions bf16 is emulated and slower than fp32. The name is private in some
    # versions of torch and absent in others, where fp32 is the safe answer.
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        probe = getattr(torch.cpu, name, None)
        if probe is not None and probe():
            return True
    return False
