"""Whether what a component of another distribution returns is what the contract of its kind says.

`checked` is called wherever a component is built, so that a wrong result is reported where it is
made, with the plugin, the component and the line, and not where something later fails on it.
tina-kit's own components are not wrapped: its tests hold them to the same contracts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property, wraps
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from tina_kit import api
from tina_kit.api.component import OWN
from tina_kit.api.errors import TinaKitError
from tina_kit.plugins.contract import contract_of
from tina_kit.plugins.failure import defined_at

if TYPE_CHECKING:
    from tina_kit.plugins.registry import Registered

Check = Callable[..., "str | None"]
"""(component, result, *arguments) → `what is expected, not what came`; None if the result fits."""
_ANY = None  # a size that the contract leaves open


def checked(component: Any, entry: Registered) -> Any:
    """The component, whose results are compared with its contract from now on.

    Raises TinaKitError if it lacks a method; what is returned is checked when a method is called.
    """
    if entry.owner == OWN:
        return component
    kind = entry.component.kind
    who = f"plugin {entry.owner}: {kind} {entry.component.name}"
    contract = contract_of(kind)
    if not isinstance(component, contract):
        has = set(dir(component))
        if lacks := [n for n in dir(contract) if _public(n) and n not in has]:
            place = f" ({p})" if (p := defined_at(getattr(component, "__init__", None))) else ""
            raise TinaKitError(
                f"{who}: {type(component).__name__} lacks {', '.join(lacks)}; derive it from "
                f"tina_kit.api.{contract.__name__}{place}"
            )
    made = _checked_class(cast(Any, type(component)), kind, who)
    with suppress(TypeError):  # a class that another one cannot stand in for stays as it is
        # A frozen dataclass sets no attribute itself.
        object.__setattr__(component, "__class__", made)
    return component


def _public(name: str) -> bool:
    return name == "__call__" or not name.startswith("_")


@cache
def _checked_class(base: type, kind: str, who: str) -> type:
    """A subclass of `base` that differs in nothing but that results are checked."""

    def reduced(self: Any, protocol: Any) -> Any:  # so that it pickles as one of `base`
        how, (first, *others), *rest = cast(Any, base).__reduce_ex__(self, max(2, protocol))
        return (_new, (base, *others), *rest) if first is made else (how, (first, *others), *rest)

    own = {key: getattr(base, key) for key in ("__module__", "__qualname__", "__doc__")}
    own |= {"__slots__": (), "__reduce_ex__": reduced}
    for name, check in {**_ALL, **_CHECKS[kind]}.items():
        given = inspect.getattr_static(base, name, None)
        what = f"{who}: {base.__name__}.{name}"
        if isinstance(given, property) and given.fget is not None:
            own[name] = property(_wrapped(given.fget, given.fget, check, what), given.fset)
        elif isinstance(given, cached_property):
            own[name] = cached_property(_wrapped(given.func, given.func, check, what))
        elif inspect.isfunction(given):
            own[name] = _wrapped(given, given, check, what)
        elif isinstance(given, staticmethod | classmethod):
            own[name] = _wrapped(given, given.__func__, check, what)
    made = type(base)(base.__name__, (base,), own)
    return made


def _new(base: type, *arguments: Any) -> Any:
    return base.__new__(base, *arguments)


def _wrapped(given: Any, function: Any, check: Check, what: str) -> Any:
    """given: as it stands in the class; function: its code."""

    passed = [*inspect.signature(check).parameters.values()][2:]
    most = None if any(p.kind is p.VAR_POSITIONAL for p in passed) else len(passed)

    @wraps(function)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        bound = given.__get__(self, type(self))
        result = bound(*arguments, **named)
        placed = inspect.signature(bound).bind(*arguments, **named).args if named else arguments
        # The plugin itself may pass more than its contract has.
        if wrong := check(self, result, *placed[:most]):
            place = f" ({p})" if (p := defined_at(function)) else ""
            raise TinaKitError(f"{what} must return {wrong}{place}")
        return result

    return call


# What is expected of a result.


def _tensor(value: Any, dtype: str, *shape: int | None, what: str = "") -> str | None:
    """dtype: its name, or "floating" for any."""
    from torch import Tensor

    wanted = f"{what}a tensor, {dtype} {_shape(shape)}"
    if not isinstance(value, Tensor):
        return f"{wanted}, not {_came(value)}"
    fits = len(shape) == value.ndim and all(
        size in (_ANY, found) for size, found in zip(shape, value.shape)
    )
    right = value.is_floating_point() if dtype == "floating" else _dtype(value) == dtype
    return None if fits and right else f"{wanted}, not {_came(value)}"


def _shape(shape: Sequence[int | None]) -> str:
    inner = ", ".join("any" if size is _ANY else str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _came(value: Any) -> str:
    """A value in a few words: a tensor's dtype and shape, or its type."""
    from torch import Tensor

    if isinstance(value, Tensor):
        return f"{_dtype(value)} {_shape(value.shape)}"
    if isinstance(value, tuple | list):
        kinds = sorted({type(each).__name__ for each in value})
        return f"a {type(value).__name__} of {len(value)} ({', '.join(kinds) or 'empty'})"
    return "None" if value is None else f"a {type(value).__name__}"


def _is(kind: type | tuple[type, ...], said: str) -> Check:
    def check(component: Any, value: Any, *arguments: Any) -> str | None:
        return None if isinstance(value, kind) else f"{said}, not {_came(value)}"

    return check


def _several(kind: type, said: str) -> Check:
    """A sequence of `kind`, but no text."""

    def check(component: Any, value: Any, *arguments: Any) -> str | None:
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        if listed and all(isinstance(each, kind) for each in value):
            return None
        return f"a sequence of {said}, not {_came(value)}"

    return check


def _images(component: Any, value: Any, split: str) -> str | None:
    if not isinstance(value, api.Images):
        return f"Images, not {_came(value)}"
    wrong = _tensor(value.images, "uint8", _ANY, 3, _ANY, _ANY, what="Images.images as ")
    count = _ANY if wrong else len(value.images)
    if wrong := wrong or _tensor(value.labels, "int64", count, what="Images.labels as "):
        return wrong
    classes = len(component.class_names)
    low, high = (int(value.labels.min()), int(value.labels.max())) if count else (0, 0)
    if low < 0 or high >= classes:
        return f"Images.labels in [0, {classes}), the number of classes, not {low} to {high}"
    return None


def _tasks(component: Any, value: Any, classes: api.Classes, seed: int) -> str | None:
    if not isinstance(value, Mapping) or not {"id", "ood"} <= set(value):
        keys = f" with {', '.join(map(repr, value))}" if isinstance(value, Mapping) else ""
        return f"a dict with 'id' and 'ood', not {_came(value)}{keys}"
    options = getattr(component, "options", None)
    for name, tasks in value.items():
        count = getattr(options, name, _ANY) if name in ("id", "ood") else _ANY
        width = getattr(options, "classes", _ANY)
        if wrong := _tensor(tasks, "int64", count, width, what=f"for {name!r} "):
            return wrong
        low, high = (int(tasks.min()), int(tasks.max())) if tasks.numel() else (0, 0)
        if low < -1 or high >= len(classes.names):
            return (
                f"for {name!r} class indices below {len(classes.names)} (-1 for none), not {low} "
                f"to {high}"
            )
    return None


def _seen(component: Any, value: Any, *arguments: Any) -> str | None:
    return None if value is None else _tensor(value, "int64", _ANY)


def _module(component: Any, value: Any, classes: int) -> str | None:
    from torch import nn

    if not isinstance(value, nn.Module):
        return f"a torch.nn.Module, not {_came(value)}"
    there = {name: tuple(tensor.shape) for name, tensor in value.state_dict().items()}
    for p in component.layout(classes).parameters:
        if there.get(p.name) != tuple(p.shape):
            came = f"{there[p.name]}" if p.name in there else "none of this name"
            return f"a module whose {p.name} is {tuple(p.shape)} as in its layout, not {came}"
    return None


def _normalised(component: Any, value: Any, images: Any) -> str | None:
    return _tensor(value, "float32", *images.shape)


def _arranged(component: Any, value: Any, images: Any) -> str | None:
    return _tensor(value, "floating", *images.shape[:-3], *[_ANY] * 3)


def _inputs(component: Any, value: Any, module: Any, images: Any) -> str | None:
    dimensions = max(getattr(value, "ndim", 0), 1)
    return _tensor(value, "floating", len(images), *[_ANY] * (dimensions - 1))


def _logits(
    component: Any, value: Any, vectors: Any, inputs: Any, classes: int, frozen: Any
) -> str | None:
    return _tensor(value, "floating", *inputs.shape[:2], classes)


def _tokens(component: Any, value: Any, layout: api.Layout) -> str | None:
    if wrong := _several(api.Token, "Tokens")(component, value):
        return wrong
    entries = sorted(chain.from_iterable(token.entries for token in value))
    if entries == list(range(layout.size)):
        return None
    lost = layout.size - len(set(entries) & set(range(layout.size)))
    return (
        f"tokens that hold each of the {layout.size} entries once, not {len(entries)} entries, of "
        f"which {lost} are missing"
    )


def _rows(component: Any, value: Any, prompts: Any) -> str | None:
    return _tensor(value, "float32", len(prompts), component.width)


def _gibberish(component: Any, value: Any, count: int, seed: int) -> str | None:
    return _tensor(value, "float32", count, component.width)


def _vectors(component: Any, value: Any, request: api.Request) -> str | None:
    count, classes = request.conditions.shape[:2]
    if wrong := _tensor(value, "float32", count, _ANY):
        return wrong
    if value.device.type != "cpu":
        return f"a tensor on the CPU, not on {value.device}"
    context = getattr(component, "context", None)
    if context is None:
        return None
    least, next_ = (context.architecture.layout(n).size for n in (classes, classes + 1))
    more, each = value.shape[1] - least, next_ - least
    if more == 0 or (more > 0 and each and more % each == 0):  # rows for further classes
        return None
    return f"a tensor, float32 {_shape((count, least))} for {classes} classes, not {_came(value)}"


def _augmented(
    component: Any, value: Any, vectors: Any, conditions: Any, mask: Any, *arguments: Any
) -> str | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return f"(vectors, conditions, mask), not {_came(value)}"
    given = {"vectors": vectors, "conditions": conditions, "mask": mask}
    wrong: Iterator[str | None] = (
        _tensor(each, _dtype(before), *before.shape, what=f"as {name} ")
        for each, (name, before) in zip(value, given.items())
    )
    return next(filter(None, wrong), None)


_ALL: dict[str, Check] = {
    "files": _is(Mapping, "a mapping of names to paths"),
    "fingerprint": _is(str, "a string"),
    "facts": _is(Mapping, "a mapping"),
}
_CHECKS: dict[str, dict[str, Check]] = {
    "dataset": {
        "class_names": _several(str, "strings"),
        "load": _images,
        "load_larger": lambda component, value, index, side: _tensor(
            value, "uint8", len(index), 3, side, side
        ),
    },
    "task-sampler": {"draw": _tasks, "seen": _seen},
    "architecture": {
        "build": _module,
        "initial": _module,
        "layout": _is(api.Layout, "a Layout"),
        "normalise": _normalised,
        "arrange": _arranged,
        "inputs": _inputs,
        "forward_many": _logits,
    },
    "tokenizer": {"tokens": _tokens},
    "conditioner": {
        "width": _is(int, "an int"),
        "embed": _rows,
        "embed_images": _rows,
        "gibberish": _gibberish,
    },
    "generator": {"generate": _vectors},
    "augmentation": {"__call__": _augmented},
    "study": {"trials": _several(api.Trial, "Trials")},
}
