"""Typed settings of components: one source for defaults, checks, `show` and the built object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo

UNCHECKED = {"effects": "unchecked"}
"""The context of a validation that lets options stand which have no effect."""


class Options(BaseModel):
    """Base of every component's options: frozen, unknown keys refused.

    What a field says beyond its type stands beside it: `Annotated[int, Unit("pixels")]`; see
    `Unit`, `Nested`, `Row`, `AtGeneration` and `Aside`. `tina-kit show` and `tina-kit schema` tell
    it.
    `beside` says what else an example needs in the recipe, as images for prompts need a conditioner
    that takes them: key of the recipe → component.
    Fields of type `pathlib.Path` are left out of cache keys (a path is not a result); a part that
    reads files names them in its `files()`. In a recipe they are relative to the recipe's folder,
    `~` is expanded, and what they name must exist; the part gets them absolute. So it is with lists
    and mappings of paths and with paths in nested models. A field of type `str | Path` takes names
    too: it is a path where the text starts with `.`, `/` or `~`, or where something of this name
    lies beside the recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    beside: ClassVar[Mapping[str, str]] = {}

    def without_effect(self) -> Mapping[str, str]:
        """Options that no result depends on as long as another one has its value → that other
        option, "" where nothing ever reads them. Giving one of them is reported; defaults may
        stay. `aside` options need not be among them."""
        return {}

    @model_validator(mode="after")
    def _all_have_an_effect(self, info: ValidationInfo) -> Options:
        if info.context is not UNCHECKED:
            for option, reason in self.without_effect().items():
                if option in self.model_fields_set:
                    raise ValueError(f"{option}: {no_effect(self, reason)}")
        return self


def no_effect(options: Options, reason: str) -> str:
    """Why an option has no effect, and what to do. reason: see `Options.without_effect`."""
    value = getattr(options, reason, None)
    message = "has no effect here"
    if reason and value is None:
        message = f"has no effect without {reason}"
    elif reason:
        plain = json.dumps(value, default=str, ensure_ascii=False).strip('"')
        message = f"has no effect with {reason}: {plain}"
    return f"{message}; leave it out"


class ComponentSpec(BaseModel):
    """A component as a recipe names it: `{use: NAME, option: value, ...}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    use: str

    @property
    def settings(self) -> dict[str, Any]:
        """The options given beside `use`, unchecked."""
        return dict(self.__pydantic_extra__ or {})


# What a field says of itself beyond its type: `steps: Annotated[int, Unit("steps")] = Field(100)`.


@dataclass(frozen=True)
class Unit:
    """The unit of a number, or of the numbers in a list or mapping. name: in the plural."""

    name: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {**handler(core), "unit": self.name}


@dataclass(frozen=True)
class Nested:
    """The field holds a component (`ComponentSpec`) or several (`tuple[ComponentSpec, ...]`), which
    arrive built, as the keyword argument of the field's name. kind: of the component."""

    kind: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {**handler(core), "kind": self.kind}


@dataclass(frozen=True)
class Row:
    """The field (`str | None`) names another row of the recipe's list of components of a kind. The
    folder that the other one was saved to arrives as `Context.inherited[field]`."""

    kind: str


@dataclass(frozen=True)
class AtGeneration:
    """`fit` does not look at the field: another value needs no new training."""


@dataclass(frozen=True)
class Aside:
    """The field changes no result, only how it is obtained: it is left out of cache keys."""


@dataclass(frozen=True)
class FieldFacts:
    """What a field says of itself; see `Unit`, `Nested`, `Row`, `AtGeneration` and `Aside`.

    unit, nested, row: the name or kind, None where it says nothing; at_generation, aside: whether
    it says so.
    """

    unit: str | None = None
    nested: str | None = None
    row: str | None = None
    at_generation: bool = False
    aside: bool = False

    @classmethod
    def of(cls, field: FieldInfo) -> FieldFacts:
        """The one reader of a field's metadata."""
        found: dict[str, Any] = {}
        for mark in field.metadata:
            if isinstance(mark, Unit):
                found["unit"] = mark.name
            elif isinstance(mark, Nested):
                found["nested"] = mark.kind
            elif isinstance(mark, Row):
                found["row"] = mark.kind
            elif isinstance(mark, AtGeneration):
                found["at_generation"] = True
            elif isinstance(mark, Aside):
                found["aside"] = True
        return cls(**found)


class TaskOptions(Options):
    """What every task sampler can be asked."""

    classes: Annotated[int, Unit("classes")] = Field(
        10, ge=2, le=10_000, description="classes per task (Section 5.1: ten)"
    )
    smallest: Annotated[int | None, Unit("classes")] = Field(
        None,
        ge=2,
        le=10_000,
        description="minimum classes per task; smaller tasks are padded to `classes` (Section "
        "4.2) (default: all tasks have `classes`)",
    )
    id: Annotated[int, Unit("tasks")] = Field(
        1000, ge=1, le=100_000, description="number of ID tasks: generators train on their p-Models"
    )
    ood: Annotated[int, Unit("tasks")] = Field(
        150, ge=1, le=100_000, description="number of OOD tasks: never seen by a generator"
    )


class TrainingOptions(Options):
    """How a classifier is trained."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        gt=0, le=1_000_000, description="passes over the images"
    )
    batch_size: Annotated[int, Unit("images")] = Field(
        64, gt=0, le=1_000_000, description="images per step"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="adamw or sgd")
    weight_decay: float = Field(0.0, ge=0, description="decoupled for adamw, L2 for sgd")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    warmup: Annotated[float, Unit("share of the steps")] = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of the steps in which the learning rate rises to its peak",
    )
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="learning rate after the warm-up"
    )

    def without_effect(self) -> Mapping[str, str]:
        """Momentum is of sgd."""
        return {} if self.optimizer == "sgd" else {"momentum": "optimizer"}
