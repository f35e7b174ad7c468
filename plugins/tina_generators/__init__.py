"""What maps conditions to parameter vectors."""

from collections.abc import Iterable

from tina_kit.api import Component, hookimpl


@hookimpl
def tina_kit_components() -> Iterable[Component]:
    return [
        Component(
            kind="generator",
            name="generic",
            target="tina_generators.baselines:Generic",
            options="tina_generators.options:GenericOptions",
            summary="The generic model as it is: it answers any class of the data set.",
        ),
        Component(
            kind="generator",
            name="classifier-selection",
            target="tina_generators.baselines:ClassifierSelection",
            options="tina_generators.options:ClassifierSelectionOptions",
            summary="The generic model with the task's classifier rows alone (Section 5.1).",
        ),
        Component(
            kind="generator",
            name="oracle",
            target="tina_generators.baselines:Oracle",
            options="tina_generators.options:OracleOptions",
            summary="Fine-tunes on the task itself: what a perfect generator would reach.",
        ),
        Component(
            kind="generator",
            name="tina-dit",
            target="tina_generators.tina:TinaDiT",
            options="tina_generators.options:TinaDiTOptions",
            summary="Tina: a diffusion transformer over parameter tokens (Section 4).",
        ),
    ]
