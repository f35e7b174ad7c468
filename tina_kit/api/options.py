"""Typed settings of components: one source for defaults, checks, `show` and the built object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

UNCHECKED = {"effects": "unchecked"}
"""The context of a validation that lets options stand which have no effect."""


class Options(BaseModel):
    """Base of every component's options: frozen, unknown keys refused.

    A field's unit is said in one way, `Field(..., json_schema_extra={"unit": "pixels"})`, and so it
    is with `at_generation` and `aside`; `tina-kit show` and `tina-kit schema` tell it.
    What else an example needs in the recipe, as images for prompts need a conditioner that takes
    them, `model_config = ConfigDict(json_schema_extra={"beside": {"conditioner": "mini-clip"}})`
    says: key → component.
    Fields of type `pathlib.Path` are left out of cache keys (a path is not a result); a part that
    reads files names them in its `files()`. In a recipe they are relative to the recipe's folder,
    `~` is expanded, and what they name must exist; the part gets them absolute. So it is with lists
    and mappings of paths and with paths in nested models. A field of type `str | Path` takes names
    too: it is a path where the text starts with `.`, `/` or `~`, or where something of this name
    lies beside the recipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def without_effect(self) -> Mapping[str, str]:
        """Options that no result depends on as long as another one has its value → that other
        option, "" where nothing ever reads them. Whoever gives one of them is told so; defaults may
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
    told = "has no effect here"
    if reason and value is None:
        told = f"has no effect without {reason}"
    elif reason:
        plain = json.dumps(value, default=str, ensure_ascii=False).strip('"')
        told = f"has no effect with {reason}: {plain}"
    return f"{told}; leave it out"


class Part(BaseModel):
    """A nested component in a recipe: `{use: NAME, option: value, ...}`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    use: str

    @property
    def settings(self) -> dict[str, Any]:
        """The options given beside `use`, unchecked."""
        return dict(self.__pydantic_extra__ or {})


def part(kind: str, use: str, description: str = "") -> Any:
    """An options field that holds one nested component of `kind`.

    The built component arrives as the keyword argument of the field's name.
    """
    return Field(Part(use=use), description=description, json_schema_extra={"kind": kind})


def parts(kind: str, *uses: str, description: str = "") -> Any:
    """An options field (`tuple[Part, ...]`) that holds any number of components of `kind`."""
    default = tuple(Part(use=use) for use in uses)
    return Field(default, description=description, json_schema_extra={"kind": kind})


def row(kind: str, description: str = "") -> Any:
    """An options field (`str | None`) that names another row of the recipe's list of `kind`s.

    The folder that the other was saved to arrives as `Context.inherited[field]`.
    """
    return Field(None, description=description, json_schema_extra={"row": kind})


def at_generation(default: Any, **constraints: Any) -> Any:
    """An options field that `fit` does not look at: another value needs no other training."""
    return _marked("generation", default, constraints)


def aside(default: Any, **constraints: Any) -> Any:
    """An options field that changes no result, only how it is come by: left out of cache keys."""
    return _marked("aside", default, constraints)


def _marked(mark: str, default: Any, constraints: dict[str, Any]) -> Any:
    extra = {**constraints.pop("json_schema_extra", {}), mark: True}
    return Field(default, json_schema_extra=extra, **constraints)


class TaskOptions(Options):
    """What every task sampler can be asked."""

    classes: int = Field(
        10,
        ge=2,
        le=10_000,
        description="classes in a task (Section 5.1: ten)",
        json_schema_extra={"unit": "classes"},
    )
    smallest: int | None = Field(
        None,
        ge=2,
        le=10_000,
        description="tasks have from so many classes up to `classes`, padded (Section 4.2); by "
        "default all have `classes`",
        json_schema_extra={"unit": "classes"},
    )
    id: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="ID tasks: generators train on their p-Models",
        json_schema_extra={"unit": "tasks"},
    )
    ood: int = Field(
        150,
        ge=1,
        le=100_000,
        description="OOD tasks: never seen by a generator",
        json_schema_extra={"unit": "tasks"},
    )


class TrainingOptions(Options):
    """How a classifier is trained."""

    epochs: int = Field(
        gt=0,
        le=1_000_000,
        description="passes over the images",
        json_schema_extra={"unit": "epochs"},
    )
    batch_size: int = Field(
        64, gt=0, le=1_000_000, description="images in a step", json_schema_extra={"unit": "images"}
    )
    learning_rate: float = Field(1e-3, gt=0, description="at its peak")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="adamw or sgd")
    weight_decay: float = Field(0.0, ge=0, description="decoupled for adamw, L2 for sgd")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    warmup: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="part of the steps with a rising rate",
        json_schema_extra={"unit": "share of the steps"},
    )
    schedule: Literal["constant", "cosine"] = Field("cosine", description="after the warm-up")

    def without_effect(self) -> Mapping[str, str]:
        """Momentum is of sgd."""
        return {} if self.optimizer == "sgd" else {"momentum": "optimizer"}
