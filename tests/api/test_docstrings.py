"""The docstrings of `tina_kit.api` are its reference."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tina_kit import api
from tina_kit.api import component
from tina_kit.api.fingerprint import Fingerprinted

SHAPE = re.compile(r"`[^`]*\([^`]*\)[^`]*`|\bscalar\b")  # `(T, C, D)`, in backticks
DTYPE = re.compile(r"\b(?:float32|int64|uint8|bool)\b")
TENSOR = re.compile(r"\bTensor\b")
NAMES = [name for name in api.__all__ if name not in ("API_VERSION", "hookimpl", "Split")]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(api, name))]


def members(thing: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that the class itself has."""
    for name, value in vars(thing).items():
        if isinstance(value, property):
            value = value.fget
        elif hasattr(value, "func"):  # cached_property
            value = value.func
        if inspect.isfunction(value) and (not name.startswith("_") or name == "__call__"):
            yield name, value


METHODS = [
    pytest.param(value, issubclass(getattr(api, name), Fingerprinted), id=f"{name}.{member}")
    for name in CLASSES
    for member, value in members(getattr(api, name))
]


def lacking(method: Callable[..., Any], text: str, contract: bool = True) -> str:
    """What a docstring does not say of the tensors that a method takes and gives. contract: whether
    a plugin implements it, which must know the dtypes too."""
    notes = list(inspect.get_annotations(method).values())
    if not any(TENSOR.search(str(note)) for note in notes):
        return ""
    if not SHAPE.search(text):
        return "shapes"
    return "" if DTYPE.search(text) or not contract else "dtypes"


def test_the_package_says_what_it_promises() -> None:
    text = component.__doc__ or ""
    assert "API_VERSION" in text and "promises" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_docstring(name: str) -> None:
    thing = getattr(api, name)
    text = (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or ""
    generated = f"{name}("  # what a dataclass without a docstring gets
    assert len(text.split()) > 2 and not text.startswith(generated)


@pytest.mark.parametrize(("method", "contract"), METHODS)
def test_a_method_has_a_docstring_that_tells_its_tensors(
    method: Callable[..., Any], contract: bool
) -> None:
    text = method.__doc__ or ""
    assert text.strip(), "it has no docstring"
    assert not (what := lacking(method, text, contract)), f"its docstring does not say its {what}"


@pytest.mark.parametrize("name", CLASSES)
def test_every_field_is_explained(name: str) -> None:
    thing = getattr(api, name)
    if issubclass(thing, api.Options):
        silent = [n for n, field in thing.model_fields.items() if not field.description]
    elif dataclasses.is_dataclass(thing):
        words = set(re.findall(r"\w+", thing.__doc__ or ""))
        silent = [field.name for field in dataclasses.fields(thing) if field.name not in words]
    else:
        silent = []
    assert not silent


@pytest.mark.parametrize("name", CLASSES)
def test_tensors_among_the_fields_have_shapes(name: str) -> None:
    thing = getattr(api, name)
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    for field in fields:
        if TENSOR.fullmatch(str(field.type).partition(" ")[0]):
            told = re.search(rf"\b{field.name}:([^:]*)", thing.__doc__ or "")
            assert told and SHAPE.search(told[1]) and DTYPE.search(told[1]), field.name


def test_a_method_that_hides_its_shapes_is_found() -> None:
    def method(self: Any, images: Tensor) -> Tensor:  # type: ignore[name-defined]  # noqa: F821
        pass

    assert lacking(method, "Does something to images.") == "shapes"
    assert lacking(method, "Images `(N, 3, H, W)` to others.") == "dtypes"
    assert lacking(method, "uint8 `(N, 3, H, W)` → float32 of the same shape.") == ""


def test_help_shows_all_of_it() -> None:
    text = pydoc.plain(pydoc.render_doc(api))
    lost = [n for n in api.__all__ if not re.search(rf"^    (class )?{n}(\(| = )", text, re.M)]
    assert not lost
    assert "Draws tasks from a data set's classes" in text
