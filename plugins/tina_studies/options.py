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

    title: str = Field("", description="of the table and the plot")
    x_label: str = Field("", description="what the columns, or the x axis, are")
    note: str = Field("", description="what to know when reading them")
    generators: Names = Field((), description=_GENERATORS)
    versus: str | None = Field(
        None, description="a row of the table, or a curve, that all others are compared with"
    )
    published: Annotated[dict[str, dict[str, float]], Unit("percent")] = Field(
        {}, description="row → column → the paper's p-Acc in percent, printed beside ours"
    )


class VariantsOptions(StudyOptions):
    title: str = Field("Variants of the recipe", description="of the table and the plot")
    variants: Variants = Field(
        min_length=1,
        description="name of a variant → dotted keys of the recipe → values",
        examples=[{"as it is": {}, "few tasks": {"tasks.id": 100}}],
    )
    rows: Literal["generators", "variants"] = Field(
        "generators", description="what the rows are; the other one makes the columns"
    )
    splits: SomeNames = Field(
        ("id", "ood"), description=f"{_SPLITS}; shuffled and gibberish are controls, and make rows"
    )


class ScalingOptions(StudyOptions):
    title: str = Field("Scaling", description="of the table and the plot")
    x_label: str = Field("", description="of the x axis; by default the key")
    generators: Names = Field(
        (),
        description="rows of the recipe; by default those that the keys name, and if they name "
        "none, all",
    )
    key: Annotated[str, Dotted] = Field(
        description="a dotted key of the recipe", examples=["tasks.id"]
    )
    values: Annotated[tuple[int | float | str, ...], Scalars, Some, Once] = Field(
        description="that the key takes one after the other", examples=[[100, 200, 400]]
    )
    places: Annotated[tuple[int | float, ...], Once, Finite] = Field(
        (), description="where each value stands on the x axis; by default at itself"
    )
    also: Overrides = Field({}, description="dotted keys → values that go with every value")
    series_key: Annotated[str | None, Dotted] = Field(
        None, description="a second key, with a curve for each value"
    )
    series_values: Annotated[tuple[Any, ...], Once, Finite] = Field(
        (), description="that the second key takes; a list is one value"
    )
    series_label: str = Field(
        "", description="names a curve, {} stands for its value; by default the key and the value"
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
        "p-Acc by number of classes (Figure 6b)", description="of the table and the plot"
    )
    x_label: str = Field("classes of a task", description="of the x axis")
    counts: Annotated[Annotated[tuple[int, ...], Some, Once, within(2)], Unit("classes")] = Field(
        description="how many classes the tasks have", examples=[[2, 5, 10]]
    )


class UnseenClassesOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"tasks": "unseen-classes", "generators": "tina-dit"}

    title: str = Field(
        "p-Acc by share of unseen classes (Table 2)", description="of the table and the plot"
    )
    x_label: str = Field("unseen classes of a task (%)", description="of the x axis")
    shares: Annotated[
        Annotated[tuple[int, ...], Some, Once, within(0, 100)], Unit("percent of the classes")
    ] = Field(
        (0, 20, 40, 60, 100),
        description="in percent; the task sampler must have a split 'unseen N%' for each",
    )


class SentencePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {
        "dataset": "caltech101",
        "conditioner": "sentence-transformer",
        "generators": "tina-dit",
    }

    title: str = Field(
        "Class names and sentences as prompts (Figure 6c)", description="of the table and the plot"
    )
    x_label: str = Field("generator", description="what the columns are")
    versus: str | None = Field(
        "class names", description="class names or sentences, that the other is compared with"
    )
    sentences: Annotated[ComponentSpec, Nested("conditioner")] = Field(
        ComponentSpec(use="descriptions"), description="embeds a sentence for each class name"
    )


class ImagePromptsOptions(StudyOptions):
    beside: ClassVar[Mapping[str, str]] = {"conditioner": "mini-clip", "generators": "tina-dit"}

    title: str = Field("Images as prompts (Figure 6a)", description="of the table and the plot")
    x_label: str = Field(
        "", description="by default generator, or with few_shot: few-shot training"
    )
    generators: SomeNames = Field(
        description="rows of the recipe trained on text", examples=[["tina-dit"]]
    )
    versus: str | None = Field(
        "text prompts",
        description="text prompts, image prompts or image prompts, mean of N, as the rows are "
        "called",
    )
    images: Annotated[
        Annotated[tuple[Annotated[int, Field(ge=1)], ...], Some, Once], Unit("images per class")
    ] = Field(
        (1,),
        description="images of a class, of whose embeddings the mean is its prompt; a row for each "
        "number",
    )
    few_shot: dict[str, str] = Field(
        {},
        description="number of shots or steps (or a label) → the row of the recipe that inherits "
        "the generator and was trained so much on image prompts; zero-shot stands at 0",
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

    title: str = Field("Training losses (Figures 4b and 4c)", description="of the plot")
    x_label: str = Field("step", description="of the x axis")
    generators: SomeNames = Field(
        description="rows of the recipe that learn", examples=[["tina-dit"]]
    )
    variants: Variants = Field(
        {}, description="curves for named variants of the recipe; by default the recipe's own"
    )

    def without_effect(self) -> Mapping[str, str]:
        return {"versus": "", "published": ""}  # there is no table of losses
