"""What the suites assert with. Every message tells what is wrong and what the contract says."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tina_kit.api import UserError

WORDS = 3  # a message of fewer tells no remedy


def tensor(what: str, value: Any, dtype: torch.dtype, *shape: int | None) -> None:
    """`value` is a tensor of this dtype and shape, where None stands for any size."""
    wanted = f"{dtype} ({', '.join('any' if size is None else str(size) for size in shape)})"
    assert isinstance(value, Tensor), (
        f"{what} is a {type(value).__name__}; the contract says a tensor, {wanted}"
    )
    fits = len(shape) == value.ndim and all(
        size in (None, found) for size, found in zip(shape, value.shape)
    )
    assert fits and value.dtype == dtype, (
        f"{what} is {value.dtype} {tuple(value.shape)}; the contract says {wanted}"
    )


def equal(message: str, one: Tensor, other: Tensor) -> None:
    """Bit by bit."""
    assert one.shape == other.shape and torch.equal(one, other), message


def close(message: str, one: Tensor, other: Tensor, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    assert one.shape == other.shape, f"{message} (shapes {one.shape} and {other.shape})"
    if not torch.allclose(one, other, rtol=rtol, atol=atol, equal_nan=True):
        gap = float((one - other).nan_to_num().abs().max())
        raise AssertionError(f"{message} (they differ by up to {gap:.3g})")


@contextmanager
def user_error(what: str) -> Iterator[None]:
    """The block raises UserError with a message that helps."""
    try:
        yield
    except UserError as error:
        assert len(str(error).split()) > WORDS, (
            f"{what} raises UserError({str(error)!r}); its message must say what, where and what "
            "to do"
        )
        return
    except Exception as error:
        raise AssertionError(
            f"{what} raises {type(error).__name__} ({error}); a user's mistake must raise "
            "UserError, which says what, where and what to do"
        ) from error
    raise AssertionError(f"{what} is taken in silence; a user's mistake must raise UserError")


@contextmanager
def done_or_told(what: str) -> Iterator[None]:
    """The block does what it is asked, or raises UserError with a message that helps."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        with user_error(what):
            raise error


@contextmanager
def undisturbed(what: str) -> Iterator[None]:
    """The block draws nothing from global random states."""
    before = _states()
    yield
    moved = [name for name, state in _states().items() if state != before[name]]
    assert not moved, (
        f"{what} moves the global random state of {', '.join(moved)}; draws must come from a "
        "passed torch.Generator or a seed, so that nothing depends on what ran before"
    )


@contextmanager
def global_seed(seed: int) -> Iterator[None]:
    """The global random states are seeded for a while."""
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)


@contextmanager
def unmodified(what: str, **arguments: Tensor) -> Iterator[None]:
    """The block leaves the tensors as they are."""
    before = {name: value.clone() for name, value in arguments.items()}
    yield
    changed = [name for name, value in arguments.items() if not torch.equal(value, before[name])]
    assert not changed, (
        f"{what} changes {', '.join(changed)} in place; arguments stay as they were given"
    )


def plain_files(what: str, folder: Path) -> None:
    """The folder holds something, and only what can be read without running code."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = ", ".join(path.relative_to(folder).as_posix() for path in files)
    assert files, f"{what} writes nothing; it must write all that `load` needs"
    for path in files:
        fits = _READERS.get(path.suffix)
        assert fits is not None and fits(path), (
            f"{what} writes {path.name} (of {names}), which is neither safetensors nor JSON; a "
            "file of another format may run code when it is read"
        )


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _is_safetensors(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt"):
            return True
    except SafetensorError:
        return False


_READERS = {".json": _is_json, ".safetensors": _is_safetensors}


def _states() -> dict[str, Any]:
    array = np.random.get_state(legacy=False)["state"]
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "Python's random": random.getstate(),
        "numpy": (array["key"].tobytes(), array["pos"]),
    }
