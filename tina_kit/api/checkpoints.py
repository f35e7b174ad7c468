"""Checkpoints of others, read as tensors alone."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from tina_kit.api.errors import UserError


def read_checkpoint(path: Path) -> Any:
    """What a `.safetensors` file or one of `torch.save` holds, its tensors on the CPU. No code in a
    file is ever run.

    Raises UserError, `PATH: what is wrong`, for a file that cannot be read, is damaged, or holds
    more than tensors and plain values.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of unusual pickles, which are refused below
            warnings.simplefilter("ignore")
            # A file of the older format cannot be mapped.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except MemoryError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file fails in any way
        raise UserError(
            f"{path}: {_reason(error)}. Expected a .safetensors file or a state dict saved by "
            "torch.save"
        ) from None


def _reason(error: Exception) -> str:
    told = str(error)
    # torch's own words advise to run what the file holds.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in told:
        return "it is damaged or holds more than tensors, and code in a file is never run"
    if isinstance(error, (RuntimeError, SafetensorError)) and told:
        return f"it cannot be loaded: {told.splitlines()[0]}"
    return "it is damaged or no checkpoint"
