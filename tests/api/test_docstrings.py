"""The docstrings of `tina_kit.api` are its reference."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from typing import Any

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


def undocumented(name: str) -> bool:
    thing = getattr(api, name)
    text = (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or ""
    generated = f"{name}("  # what a dataclass without a docstring gets
    return len(text.split()) <= 2 or text.startswith(generated)


def unexplained(thing: type) -> list[str]:
    """The fields that neither a description nor the class's docstring mentions."""
    if issubclass(thing, api.Options):
        return [name for name, field in thing.model_fields.items() if not field.description]
    words = set(re.findall(r"\w+", thing.__doc__ or ""))
    return [field.name for field in fields_of(thing) if field.name not in words]


def shapeless(thing: type) -> list[str]:
    """The fields that hold a tensor whose shape or dtype the class's docstring does not give."""
    found = []
    for field in fields_of(thing):
        if TENSOR.fullmatch(str(field.type).partition(" ")[0]):
            told = re.search(rf"\b{field.name}:([^:]*)", thing.__doc__ or "")
            if not (told and SHAPE.search(told[1]) and DTYPE.search(told[1])):
                found.append(field.name)
    return found


def fields_of(thing: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()


def test_every_name_has_a_docstring() -> None:
    assert [name for name in NAMES if undocumented(name)] == []


def test_methods_have_docstrings_that_describe_their_tensors() -> None:
    wrong = []
    for name in CLASSES:
        contract = issubclass(getattr(api, name), Fingerprinted)
        for member, method in members(getattr(api, name)):
            text = (method.__doc__ or "").strip()
            missing = lacking(method, text, contract) if text else "docstring"
            wrong += [f"{name}.{member}: {missing}"] * bool(missing)
    assert wrong == []


def test_every_field_is_explained() -> None:
    assert [f"{c}.{field}" for c in CLASSES for field in unexplained(getattr(api, c))] == []


def test_tensor_fields_have_shapes_and_dtypes() -> None:
    assert [f"{c}.{field}" for c in CLASSES for field in shapeless(getattr(api, c))] == []


def test_a_docstring_without_shapes_or_dtypes_is_found() -> None:
    def method(self: Any, images: Tensor) -> Tensor:  # type: ignore[name-defined]  # noqa: F821
        pass

    assert lacking(method, "Does something to images.") == "shapes"
    assert lacking(method, "Images `(N, 3, H, W)` to others.") == "dtypes"
    assert lacking(method, "uint8 `(N, 3, H, W)` → float32 of the same shape.") == ""


def test_a_field_without_explanation_or_shape_is_found() -> None:
    @dataclasses.dataclass
    class Silent:
        """Holds images."""

        images: Tensor  # type: ignore[name-defined]  # noqa: F821
        labels: Tensor  # type: ignore[name-defined]  # noqa: F821

    assert (unexplained(Silent), shapeless(Silent)) == (["labels"], ["images", "labels"])
    Silent.__doc__ = "images: uint8 `(N, 3, H, W)`. labels: int64."
    assert (unexplained(Silent), shapeless(Silent)) == ([], ["labels"])


def test_help_shows_all_of_it() -> None:
    text = pydoc.plain(pydoc.render_doc(api))
    lost = [n for n in api.__all__ if not re.search(rf"^    (class )?{n}(\(| = )", text, re.M)]
    assert not lost
    assert "Draws tasks from a data set's classes" in text
