"""Checks a component's class against the contract of its kind, without building it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from tina_kit import api
from tina_kit.plugins.failure import defined_at

_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@cache
def broken_promises(kind: str, target: Any) -> tuple[tuple[str, str], ...]:
    """What is wrong with a component's target, as (problem, "path:line") pairs: missing methods,
    and methods that cannot take the arguments that the core passes."""
    if not callable(target):
        return (("it is not callable", ""),)
    contract = contract_of(kind)
    if not isinstance(target, type) or not issubclass(target, contract):
        return ()
    return (*_missing(target), *_construction(target), *different_methods(contract, target))


def contract_of(kind: str) -> Any:
    """The class of `tina_kit.api` that components of a kind inherit from."""
    return getattr(api, "".join(word.title() for word in kind.split("-")), object)


def _missing(target: type) -> Iterator[tuple[str, str]]:
    for name in sorted(getattr(target, "__abstractmethods__", ())):
        wanted = inspect.getattr_static(target, name)
        what = f"the property {name}"
        if inspect.isfunction(wanted):
            what = f"the method {name}{_written(inspect.signature(wanted).parameters.values())}"
        yield f"{target.__name__} lacks {what}", _class_place(target)


def _construction(target: type) -> Iterator[tuple[str, str]]:
    init = inspect.getattr_static(target, "__init__")
    new = inspect.getattr_static(target, "__new__")
    if init is object.__init__ and new is object.__new__:
        yield f"{target.__name__} lacks the method __init__(self, options)", _class_place(target)
    elif inspect.isfunction(init):
        given = inspect.signature(init)
        if not _takes(given.bind_partial, 2):
            not_so = f"not {_written(given.parameters.values())}"
            yield (
                f"{target.__name__}.__init__ must take (self, options), {not_so}",
                defined_at(init),
            )


def different_methods(contract: type, target: type) -> Iterator[tuple[str, str]]:
    """What is wrong with the methods that `target` overrides, each with its "path:line"."""
    for name in dir(contract):
        wanted = inspect.getattr_static(contract, name)
        given = inspect.getattr_static(target, name)
        if given is wanted or (name.startswith("_") and name != "__call__"):
            continue
        bound = isinstance(given, staticmethod | classmethod)
        if not (bound or inspect.isfunction(given)):
            continue  # some other descriptor: only calling it shows what it accepts
        place = defined_at(given)
        if isinstance(wanted, property):
            yield f"{target.__name__}.{name} must be marked with @property", place
        elif inspect.isfunction(wanted):
            theirs, ours = inspect.signature(wanted), inspect.signature(getattr(target, name))
            wants = list(theirs.parameters.values())[bound:]  # without self
            placed = [p.name for p in wants if p.kind in _PLACED]
            named = [p.name for p in wants if p.name not in placed]
            if not _takes(ours.bind, len(placed), named):
                must = f"must take {_written(wants)}, not {_written(ours.parameters.values())}"
                yield f"{target.__name__}.{name} {must}", place


def _takes(bind: Callable[..., object], count: int, named: Sequence[str] = ()) -> bool:
    """Whether a signature accepts `count` positional arguments and these keywords."""
    try:
        bind(*[None] * count, **dict.fromkeys(named))
    except TypeError:
        return False
    return True


def _written(parameters: Iterable[inspect.Parameter]) -> str:
    """The parameter list without annotations."""
    return str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters]))


def _class_place(target: type) -> str:
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        return ""
