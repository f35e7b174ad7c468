"""Evaluations beyond ID and OOD: the paper's tables and figures."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="study",
            name="variants",
            target="tina_studies.variants:Variants",
            options="tina_studies.options:VariantsOptions",
            summary="Named variants of the recipe as columns (Table 1) or rows (Table 3).",
        ),
        Component(
            kind="study",
            name="scaling",
            target="tina_studies.scaling:Scaling",
            options="tina_studies.options:ScalingOptions",
            summary="p-Acc while one key of the recipe takes several values (Figures 4a and 5).",
        ),
        Component(
            kind="study",
            name="class-counts",
            target="tina_studies.tasks:ClassCounts",
            options="tina_studies.options:ClassCountsOptions",
            summary="p-Acc on tasks of more or fewer classes (Figure 6b).",
        ),
        Component(
            kind="study",
            name="unseen-classes",
            target="tina_studies.tasks:UnseenClasses",
            options="tina_studies.options:UnseenClassesOptions",
            summary="p-Acc on tasks with classes that nothing trained has seen (Table 2).",
        ),
        Component(
            kind="study",
            name="sentence-prompts",
            target="tina_studies.prompts:SentencePrompts",
            options="tina_studies.options:SentencePromptsOptions",
            summary="Sentences as prompts, after training on class names (Figure 6c).",
        ),
        Component(
            kind="study",
            name="image-prompts",
            target="tina_studies.prompts:ImagePrompts",
            options="tina_studies.options:ImagePromptsOptions",
            summary="Images as prompts, zero-shot and few-shot (Figure 6a).",
        ),
        Component(
            kind="study",
            name="samples",
            target="tina_studies.samples:Samples",
            options="tina_studies.options:SamplesOptions",
            summary="Several sampled p-Models of a task: p-Acc of their mean and of the best.",
        ),
        Component(
            kind="study",
            name="training-curves",
            target="tina_studies.curves:TrainingCurves",
            options="tina_studies.options:TrainingCurvesOptions",
            summary="Training losses of generators, step by step (Figures 4b and 4c).",
        ),
    ]
