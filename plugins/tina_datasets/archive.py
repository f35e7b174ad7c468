"""Reads CIFAR's pickle files without running code in them.

A pickle is a program: loading it calls the functions that it names. Here the names needed for
integer arrays resolve to harmless stand-ins, and all others are rejected.
"""

from __future__ import annotations

import codecs
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WHOLE_NUMBERS = re.compile(r"[<>=|]?[iu][1248]")


class BrokenArchive(Exception):
    """Why a file cannot be read."""


def read_archive(path: Path) -> dict[str, Any]:
    """Key → array, list, text, bytes or number. Raises BrokenArchive, or OSError.

    Keys are text even where the file, written by Python 2, holds bytes.
    """
    try:
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="bytes").load()
    except (BrokenArchive, OSError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise BrokenArchive(str(error) or type(error).__name__) from None
    if not isinstance(content, dict):
        raise BrokenArchive("it contains no dictionary")
    return {
        as_text(key): value.array() if isinstance(value, _Array) else value
        for key, value in content.items()
    }


def as_text(value: object) -> str:
    """Text, or bytes of it. Raises BrokenArchive for anything else."""
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, str):
        return value
    raise BrokenArchive(f"it contains {value!r} instead of text")


class _Dtype:
    """Stands in for `numpy.dtype`."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = as_text(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.code = as_text(state[1]) + self.code

    def numpy(self) -> np.dtype[Any]:
        if not _WHOLE_NUMBERS.fullmatch(self.code):
            raise BrokenArchive(f"it contains an array of {self.code!r}, not of integers")
        return np.dtype(self.code)


class _Array:
    """Stands in for `numpy.ndarray`: keeps what is said of it, and checks that in `array`."""

    def __init__(self, *content: Any) -> None:
        self.content = content  # bytes, dtype, shape, order

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, content = state
        self.content = (content, dtype, shape, "F" if fortran else "C")

    def array(self) -> NDArray[Any]:
        try:
            content, dtype, shape, order = self.content
            array: NDArray[Any] = np.frombuffer(content, dtype.numpy()).reshape(shape, order=order)
            return array
        except (AttributeError, TypeError, ValueError) as error:
            raise BrokenArchive(f"it contains a damaged array ({error})") from None


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: object) -> bytes:
    """How Python 3 writes bytes into a pickle that Python 2 can read."""
    if as_text(encoding) != "latin1":
        raise BrokenArchive(f"it contains text in {encoding!r}")
    return codecs.latin_1_encode(text)[0]


class _Frozen:
    """A stand-in that can be called and that a pickle cannot change."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise BrokenArchive(f"it tries to change {name}")


_STAND_INS: dict[tuple[str, str], _Frozen] = {
    ("numpy", "dtype"): _Frozen(_Dtype),
    ("numpy", "ndarray"): _Frozen(_Array),
    ("numpy.core.multiarray", "_reconstruct"): _Frozen(_reconstruct),
    ("numpy.core.numeric", "_frombuffer"): _Frozen(_Array),
    ("_codecs", "encode"): _Frozen(_encode),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Frozen:
        known = (module.replace("numpy._core.", "numpy.core."), name)
        if known not in _STAND_INS:
            raise BrokenArchive(
                f"it refers to {module}.{name}, which is not an array; no code in it was run"
            )
        return _STAND_INS[known]
