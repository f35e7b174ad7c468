"""Options of the studies. Keys of the recipe are dotted, as for `--set`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tina_kit.api import ComponentSpec, Nested, Options, Unit
from tina_studies.checks import Dotted, Finite, Once, Overrides, Scalars, Some, Variants, within

Names = Annotated[tuple[str, ...], Once]
SomeNames = Annotated[tuple[str, ...], Some, Once]
_GENERATORS = "rows of the recipe, in this order; by default all of them"
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_SPLITS = "id, ood or an additional test split of the task sampler"


class StudyOptions(Options):
    """Options that every study has."""

    title: str = Field("", description="title of the table and the plot")
    x_label: str = Field("", description="label of the columns and the x axis")
    note: str = Field("", description="note on how to read them")
    generators: Names = Field((), description=_GENERATORS)
    versus: str | None = Field(
        None, description="the row of the table, or curve, that all others are compared with"
    )
    published: Annotated[dict[str, dict[str, float]], Unit("percent")] = Field(
        {}, description="row → column → the paper's p-Acc in percent, shown beside this run's"
    )


class VariantsOptions(StudyOptions):
    title: str = Field("Variants of the recipe", description="title of the table and the plot")
    variants: Variants = Field(
        min_length=1,
        description="variant name → dotted keys of the recipe → values; `like` takes those of an "
        "earlier variant",
        examples=[{"as it is": {}, "few tasks": {"tasks.id": 100}}],
    )
    rows: Literal["generators", "variants"] = Field(
        "generators", description="what the rows show; the columns show the other"
    )
    splits: SomeNames = Field(
        ("id", "ood"),
        description=f"{_SPLITS}; the controls shuffled, gibberish, other-layers and mean-layers "
        "become rows",
    )


class ScalingOptions(StudyOptions):
    title: str = Field("Scaling", description="title of the table and the plot")
    x_label: str = Field("", description="label of the x axis; by default the key")
    generators: Names = Field(
        (),
        description="rows of the recipe; by default those that the keys name, or else all",
    )
    key: Annotated[str, Dotted] = Field(
        description="dotted key of the recipe to vary", examples=["tasks.id"]
    )
    values: Annotated[tuple[int | float | str, ...], Scalars, Some, Once] = Field(
        description="values of the key", examples=[[100, 200, 400]]
    )
    places: Annotated[tuple[int | float, ...], Once, Finite] = Field(
        (), description="position of each value on the x axis; by default the value itself"
    )
    also: Overrides = Field({}, description="dotted keys → values set together with every value")
    series_key: Annotated[str | None, Dotted] = Field(
        None, description="a second key, with one curve per value"
    )
    series_values: Annotated[tuple[Any, ...], Once, Finite] = Field(
        (), description="values of the second key; a list is a single value"
    )
    series_label: str = Field(
        "", description="label of a curve, with {} for its value; by default the key and the value"
    )
    splits: SomeNames = Field(("ood",), description=_SPLITS)

    def without_effect(self) -> Mapping[str, str]:
        return {} if self.series_key is not None else {"series_label": "series_key"}

    @model_validator(mode="after")
    def _keys_and_values_fit(self) -> ScalingOptions:
        if (self.series_key is None) != (not self.series_values):
            raise ValueError("series_key and series_values must be given together")
        if self.places and len(self.places) != len(self.values):
            raise ValueError(
                f"{len(self.places)} places for {len(self.values)} values; give one per value"
            )
        keys = [self.key, *self.also, *([self.series_key] if self.series_key else [])]
        if repeated := [key for key in keys if keys.count(key) > 1]:
            raise ValueError(f"'{repeated[0]}' is set twice, by key, series_key or also")
        if self.series_label and "{}" not in self.series_label:
            raise ValueError("series_label must contain {}, which is replaced by the value")
        return self


class ClassCountsOptions(StudyOptions):
    title: str = Field("p-Acc by number of classes", description="title of the table and the plot")
    x_label: str = Field("classes of a task", description="label of the x axis")
    counts: Annotated[Annotated[tuple[int, ...], Some, Once, within(2)], Unit("classes")] = Field(
        description="numbers of classes per task", examples=[[2, 5, 10]]
    )


class UnseenClassesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"tasks": "unseen-classes", "generators": "tina-dit"}

    title: str = Field(
        "p-Acc by share of unseen classes", description="title of the table and the plot"
    )
    x_label: str = Field("unseen classes of a task (%)", description="label of the x axis")
    shares: Annotated[
        Annotated[tuple[int, ...], Some, Once, within(0, 100)], Unit("percent of the classes")
    ] = Field(
        (0, 20, 40, 60, 100),
        description="shares of unseen classes; the task sampler must have a split 'unseen N%' for "
        "each",
    )


class SentencePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {
        "dataset": "caltech101",
        "conditioner": "sentence-transformer",
        "generators": "tina-dit",
    }

    title: str = Field(
        "Class names and sentences as prompts",
        description="title of the table and the plot",
    )
    x_label: str = Field("generator", description="label of the columns")
    versus: str | None = Field(
        "class names",
        description="the row that the other is compared with: class names or sentences",
    )
    sentences: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="descriptions"),
        description="conditioner that embeds a sentence for each class name",
    )


class ImagePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"conditioner": "mini-clip", "generators": "tina-dit"}

    title: str = Field("Images as prompts", description="title of the table and the plot")
    x_label: str = Field(
        "",
        description="label of the columns and the x axis; by default generator, or few-shot "
        "training if few_shot is given",
    )
    generators: SomeNames = Field(
        description="rows of the recipe that were trained on text", examples=[["tina-dit"]]
    )
    versus: str | None = Field(
        "text prompts",
        description="the row that all others are compared with: 'text prompts', 'image prompts' or "
        "'image prompts, mean of N'",
    )
    images: Annotated[
        Annotated[tuple[Annotated[int, Field(ge=1)], ...], Some, Once], Unit("images per class")
    ] = Field(
        (1,),
        description="images per class whose mean embedding is the prompt; one row per number",
    )
    few_shot: dict[str, str] = Field(
        {},
        description="number of shots or steps (or a label) → the row of the recipe that inherits "
        "the generator and continues training on image prompts; zero-shot is at 0",
    )

    @model_validator(mode="after")
    def _few_shot_rows_have_one_origin(self) -> ImagePromptsOptions:
        if self.few_shot and len(self.generators) > 1:
            raise ValueError("few_shot requires a single generator; write one study for each")
        places = self.places
        if any(place in ("zero-shot", 0) for place in places):
            raise ValueError("zero-shot is the generator itself and cannot be a label of few_shot")
        if len(set(places)) < len(places):
            raise ValueError("few_shot has two labels for the same number")
        return self

    @property
    def places(self) -> list[str | float]:
        """The labels of `few_shot`, as numbers if all of them are."""
        labels = list(self.few_shot)
        if all(_NUMBER.fullmatch(label) for label in labels):
            return [float(label) if "." in label else int(label) for label in labels]
        return list(labels)


class SamplesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"generators": "tina-dit"}

    title: str = Field("p-Acc by sampled p-Models", description="title of the table and the plot")
    x_label: str = Field("p-Models sampled of a task", description="label of the x axis")
    generators: SomeNames = Field(
        description="the row of the recipe that samples, such as tina-dit with several sampling "
        "steps",
        examples=[["tina-dit"]],
    )
    versus: str | None = Field(
        "one p-Model",
        description="the curve that all others are compared with: 'one p-Model', 'mean of "
        "probabilities' or 'best by N images a class'",
    )
    numbers: Annotated[
        Annotated[tuple[int, ...], Some, Once, within(1, 1000)], Unit("p-Models")
    ] = Field((1, 2, 5, 10, 20), description="numbers of p-Models sampled of a task")
    shots: Annotated[
        Annotated[tuple[int, ...], Once, within(1)], Unit("training images per class")
    ] = Field(
        (1, 5),
        description="labelled training images per class that choose the best p-Model, by their "
        "cross-entropy; one curve per number",
    )

    @model_validator(mode="after")
    def _one_generator(self) -> SamplesOptions:
        if len(self.generators) > 1:
            raise ValueError("generators must be a single one; write one study for each")
        return self


class TrainingCurvesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"generators": "tina-dit"}

    title: str = Field("Training losses", description="title of the plot")
    x_label: str = Field("step", description="label of the x axis")
    generators: SomeNames = Field(
        description="generators of the recipe whose losses are plotted", examples=[["tina-dit"]]
    )
    variants: Variants = Field(
        {},
        description="plot a curve for each named variant of the recipe (default: the recipe "
        "itself)",
    )

    def without_effect(self) -> Mapping[str, str]:
        return {"versus": "", "published": ""}  # losses have no table
