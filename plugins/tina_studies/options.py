"""Options of the studies. A key of the recipe is written as for `--set`: its steps, dotted."""

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
_SPLITS = "id, ood or a test split of the task sampler's own"


class StudyOptions(Options):
    """What every study can be asked."""

    title: str = Field("", description="title of the table and the plot")
    x_label: str = Field("", description="label of the columns or the x axis")
    note: str = Field("", description="note below the table and the plot")
    generators: Names = Field((), description=_GENERATORS)
    versus: str | None = Field(
        None, description="row of the table, or curve, that all others are compared with"
    )
    published: Annotated[dict[str, dict[str, float]], Unit("percent")] = Field(
        {}, description="row → column → the paper's p-Acc in percent, shown beside this run's"
    )


class VariantsOptions(StudyOptions):
    title: str = Field("Variants of the recipe", description="title of the table and the plot")
    variants: Variants = Field(
        min_length=1,
        description="variant name → dotted keys of the recipe → values",
        examples=[{"as it is": {}, "few tasks": {"tasks.id": 100}}],
    )
    rows: Literal["generators", "variants"] = Field(
        "generators",
        description="whether variants or generators are the rows; the other one makes the columns",
    )
    splits: SomeNames = Field(
        ("id", "ood"), description=f"{_SPLITS}; shuffled and gibberish are controls, and make rows"
    )


class ScalingOptions(StudyOptions):
    title: str = Field("Scaling", description="title of the table and the plot")
    x_label: str = Field("", description="label of the x axis (default: the key)")
    generators: Names = Field(
        (),
        description="generators to compare (default: those that the keys name, or all if they "
        "name none)",
    )
    key: Annotated[str, Dotted] = Field(
        description="dotted key of the recipe to vary", examples=["tasks.id"]
    )
    values: Annotated[tuple[int | float | str, ...], Scalars, Some, Once] = Field(
        description="values of the key", examples=[[100, 200, 400]]
    )
    places: Annotated[tuple[int | float, ...], Once, Finite] = Field(
        (), description="position of each value on the x axis (default: the value itself)"
    )
    also: Overrides = Field({}, description="dotted keys → values to set along with each value")
    series_key: Annotated[str | None, Dotted] = Field(
        None, description="second key to vary, with a curve for each value"
    )
    series_values: Annotated[tuple[Any, ...], Once, Finite] = Field(
        (), description="values of the second key; a list counts as one value"
    )
    series_label: str = Field(
        "", description="name of each curve, with {} for its value (default: the key and the value)"
    )
    splits: SomeNames = Field(("ood",), description=_SPLITS)

    def without_effect(self) -> Mapping[str, str]:
        return {} if self.series_key is not None else {"series_label": "series_key"}

    @model_validator(mode="after")
    def _keys_and_values_fit(self) -> ScalingOptions:
        if (self.series_key is None) != (not self.series_values):
            raise ValueError("series_key and series_values go together")
        if self.places and len(self.places) != len(self.values):
            raise ValueError(
                f"{len(self.values)} values have {len(self.places)} places, give one for each"
            )
        keys = [self.key, *self.also, *([self.series_key] if self.series_key else [])]
        if repeated := [key for key in keys if keys.count(key) > 1]:
            raise ValueError(f"'{repeated[0]}' is set twice, by key, series_key or also")
        if self.series_label and "{}" not in self.series_label:
            raise ValueError("series_label must hold {}, which stands for the value")
        return self


class ClassCountsOptions(StudyOptions):
    title: str = Field(
        "p-Acc by number of classes (Figure 6b)", description="title of the table and the plot"
    )
    x_label: str = Field("classes of a task", description="label of the x axis")
    counts: Annotated[Annotated[tuple[int, ...], Some, Once, within(2)], Unit("classes")] = Field(
        description="numbers of classes per task", examples=[[2, 5, 10]]
    )


class UnseenClassesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"tasks": "unseen-classes", "generators": "tina-dit"}

    title: str = Field(
        "p-Acc by share of unseen classes (Table 2)", description="title of the table and the plot"
    )
    x_label: str = Field("unseen classes of a task (%)", description="label of the x axis")
    shares: Annotated[
        Annotated[tuple[int, ...], Some, Once, within(0, 100)], Unit("percent of the classes")
    ] = Field(
        (0, 20, 40, 60, 100),
        description="shares of unseen classes in percent; the task sampler must have a split "
        "'unseen N%' for each",
    )


class SentencePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {
        "dataset": "caltech101",
        "conditioner": "sentence-transformer",
        "generators": "tina-dit",
    }

    title: str = Field(
        "Class names and sentences as prompts (Figure 6c)",
        description="title of the table and the plot",
    )
    x_label: str = Field("generator", description="label of the columns")
    versus: str | None = Field(
        "class names", description="class names or sentences: which one the other is compared with"
    )
    sentences: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="descriptions"),
        description="conditioner that embeds a sentence for each class name",
    )


class ImagePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"conditioner": "mini-clip", "generators": "tina-dit"}

    title: str = Field(
        "Images as prompts (Figure 6a)", description="title of the table and the plot"
    )
    x_label: str = Field(
        "",
        description="label of the columns (default: generator, or few-shot training if few_shot "
        "is given)",
    )
    generators: SomeNames = Field(
        description="generators of the recipe that were trained on text", examples=[["tina-dit"]]
    )
    versus: str | None = Field(
        "text prompts",
        description="row that the others are compared with: text prompts, image prompts, or image"
        " prompts, mean of N",
    )
    images: Annotated[
        Annotated[tuple[Annotated[int, Field(ge=1)], ...], Some, Once], Unit("images per class")
    ] = Field(
        (1,),
        description="images per class whose mean embedding is the prompt; one row for each number",
    )
    few_shot: dict[str, str] = Field(
        {},
        description="number of shots or steps (or a label) → the generator of the recipe that "
        "inherits from the first and was trained that much on image prompts; zero-"
        "shot is plotted at 0",
    )

    @model_validator(mode="after")
    def _few_shot_rows_have_one_origin(self) -> ImagePromptsOptions:
        if self.few_shot and len(self.generators) > 1:
            raise ValueError("few_shot goes with one generator, a study for each of several")
        places = self.places
        if any(place in ("zero-shot", 0) for place in places):
            raise ValueError("zero-shot is the generator itself and no label of few_shot")
        if len(set(places)) < len(places):
            raise ValueError("two labels of few_shot are the same number")
        return self

    @property
    def places(self) -> list[str | float]:
        """The labels of `few_shot`: numbers, where all of them are."""
        labels = list(self.few_shot)
        if all(_NUMBER.fullmatch(label) for label in labels):
            return [float(label) if "." in label else int(label) for label in labels]
        return list(labels)


class TrainingCurvesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"generators": "tina-dit"}

    title: str = Field("Training losses (Figures 4b and 4c)", description="title of the plot")
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
        return {"versus": "", "published": ""}  # there is no table of losses
