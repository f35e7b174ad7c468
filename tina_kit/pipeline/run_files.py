"""What the JSON files of a run folder hold, as far as readers rely on it.

A file may be half-written, from another version or edited by hand: a reader compares it once, and
then takes it for what it says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tina_kit.store.files import read_json

Bounds = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Stage(_Content):
    name: str
    kind: str
    key: str
    seed: int | None = None
    state: str | None = None
    seconds: float | None = None


class _Git(_Content):
    commit: str | None = None
    dirty: bool | None = None


class _Data(_Content):
    classes: list[str]
    superclasses: list[Any] | None = None


class Record(_Content):
    """`run.json`. Older versions wrote less."""

    status: str
    name: str
    started: str
    seeds: list[int]
    stages: list[_Stage]
    key: str | None = None
    ended: str | None = None
    error: str | None = None
    command: list[str] | None = None
    device: str | None = None
    precision: str | None = None
    store: str | None = None
    tina_kit: str | None = None
    versions: dict[str, Any] = {}
    plugins: list[str] = []
    components: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    git: _Git | None = None
    data: _Data | None = None


class _Gain(_Content):
    mean: float | None
    ci95: Bounds | None


class _Row(_Content):
    generator: str
    split: str
    p_acc: float | None
    ci95: Bounds | None
    tasks: int
    seeds: int
    vs_selection: _Gain | None = None
    vs_generic_plus: _Gain | None = None
    gap_closed: _Gain | None = None
    from_prompts: _Gain | None = None


class Results(_Content):
    """`results.json`."""

    about: str
    generators: Annotated[list[_Row], Field(min_length=1)]


class _Counted(_Content):
    correct: list[list[int]]
    total: list[list[int]]


class Evaluations(_Content):
    """`evaluations.json`."""

    tasks: dict[str, dict[str, list[list[int]]]]
    counts: dict[str, dict[str, dict[str, _Counted]]]


def read_content(path: Path, kind: type[BaseModel]) -> dict[str, Any]:
    """The content of a file, as it is. Raises OSError if it cannot be read, and ValueError if it
    is not JSON or not of its kind: Record, Results or Evaluations."""
    content = read_json(path)
    check_content(content, kind)
    return dict(content)


def check_content(content: Any, kind: type[BaseModel]) -> None:
    """Raise ValueError unless it is of its kind."""
    try:
        kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
