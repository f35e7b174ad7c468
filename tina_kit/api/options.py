"""Typed options of components: the source of defaults, validation, `show` and JSON Schema."""

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
"""Validation context that accepts options without effect."""


class Options(BaseModel):
    """Base class of every component's options: frozen, and unknown keys are rejected.

    Fields can carry annotations, like `Annotated[int, Unit("pixels")]`: see `Unit`, `Nested`,
    `Row`, `AtGeneration`, `Aside` and `Added`. `tina-kit show` and `tina-kit schema` display them.

    `beside` maps keys of the recipe to the components that an example needs there: image prompts,
    for instance, need a conditioner that accepts images.

    Fields of type `pathlib.Path` do not enter cache keys; a component that reads files lists them
    in `files()` instead. In a recipe, paths are relative to the recipe's folder, `~` is expanded,
    and the file must exist; the component receives absolute paths. The same holds for lists and
    mappings of paths and for paths in nested models. A field of type `str | Path` also accepts
    names: text is a path if it starts with `.`, `/` or `~`, or if it names an existing file or
    folder beside the recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    beside: ClassVar[Mapping[str, str]] = {}

    def without_effect(self) -> Mapping[str, str]:
        """Options without effect, each mapped to the option whose current value makes it so, or to
        "" if nothing reads it. Setting one of them explicitly is an error. `Aside` options need not
        be listed."""
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
    problem = "has no effect here"
    if reason and value is None:
        problem = f"has no effect without {reason}"
    elif reason:
        plain = json.dumps(value, default=str, ensure_ascii=False).strip('"')
        problem = f"has no effect with {reason}: {plain}"
    return f"{problem}; leave it out"


class ComponentSpec(BaseModel):
    """A component as a recipe names it: `{use: NAME, option: value, ...}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    use: str

    @property
    def settings(self) -> dict[str, Any]:
        """The options given beside `use`, not validated."""
        return dict(self.__pydantic_extra__ or {})


@dataclass(frozen=True)
class Unit:
    """The unit of a number, or of the numbers in a list or mapping. name: in the plural."""

    name: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {**handler(core), "unit": self.name}


@dataclass(frozen=True)
class Nested:
    """The field holds a component (`ComponentSpec`) or several (`tuple[ComponentSpec, ...]`). They
    are built and passed as the keyword argument of the field's name. kind: of the component."""

    kind: str

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> Any:
        return {**handler(core), "kind": self.kind}


@dataclass(frozen=True)
class Row:
    """The field (`str | None`) names an earlier row of the recipe's list of this kind. The folder
    in which that component was saved is passed as `Context.inherited[field]`."""

    kind: str


@dataclass(frozen=True)
class AtGeneration:
    """`fit` ignores the field: changing it requires no new training."""


@dataclass(frozen=True)
class Aside:
    """The field does not affect results, only how they are obtained; it enters no cache key."""


@dataclass(frozen=True)
class Added:
    """The field came after results had been stored, and its default changes none of them: with the
    default it enters no cache key."""


@dataclass(frozen=True)
class FieldFacts:
    """A field's annotations; see `Unit`, `Nested`, `Row`, `AtGeneration`, `Aside` and `Added`.

    unit, nested, row: the name or kind, None if absent; at_generation, aside, added: whether
    present.
    """

    unit: str | None = None
    nested: str | None = None
    row: str | None = None
    at_generation: bool = False
    aside: bool = False
    added: bool = False

    @classmethod
    def of(cls, field: FieldInfo) -> FieldFacts:
        """Read the annotations from a field's metadata."""
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
            elif isinstance(mark, Added):
                found["added"] = True
        return cls(**found)


class TaskOptions(Options):
    """Options that every task sampler has."""

    classes: Annotated[int, Unit("classes")] = Field(
        10, ge=2, le=10_000, description="classes per task (Section 5.1: ten)"
    )
    smallest: Annotated[int | None, Unit("classes")] = Field(
        None,
        ge=2,
        le=10_000,
        description="minimum number of classes per task; smaller tasks are padded (Section 4.2). "
        "By default all tasks have `classes`",
    )
    id: Annotated[int, Unit("tasks")] = Field(
        1000, ge=1, le=100_000, description="number of ID tasks; generators train on their p-Models"
    )
    ood: Annotated[int, Unit("tasks")] = Field(
        150, ge=1, le=100_000, description="number of OOD tasks; generators never see them"
    )


class TrainingOptions(Options):
    """Options for training a classifier."""

    epochs: Annotated[int, Unit("epochs")] = Field(
        gt=0, le=1_000_000, description="passes over the images"
    )
    batch_size: Annotated[int, Unit("images")] = Field(
        64, gt=0, le=1_000_000, description="images per step"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="optimiser: adamw or sgd")
    weight_decay: float = Field(
        0.0, ge=0, description="weight decay: decoupled for adamw, L2 for sgd"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd")
    warmup: Annotated[float, Unit("share of the steps")] = Field(
        0.05, ge=0, lt=1, description="linear warm-up of the learning rate"
    )
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="learning-rate schedule after the warm-up"
    )
    ema: Annotated[float, Added()] = Field(
        0.0, ge=0, lt=1, description="decay of the averaged weights (EMA) that are kept; 0: none"
    )
    label_smoothing: Annotated[float, Unit("share of the target"), Added()] = Field(
        0.0, ge=0, lt=1, description="spread evenly over the classes (Szegedy et al. 2016)"
    )

    def without_effect(self) -> Mapping[str, str]:
        """Only sgd has a momentum."""
        return {} if self.optimizer == "sgd" else {"momentum": "optimizer"}
