"""Generators, which map conditions to parameter vectors."""

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
            summary="The generic model itself, which may predict any class (Section 5.1).",
        ),
        Component(
            kind="generator",
            name="classifier-selection",
            target="tina_generators.baselines:ClassifierSelection",
            options="tina_generators.options:ClassifierSelectionOptions",
            summary="The generic model with only the task's classifier rows (Section 5.1).",
        ),
        Component(
            kind="generator",
            name="generic-plus",
            target="tina_generators.generic_plus:GenericPlus",
            options="tina_generators.options_compared:GenericPlusOptions",
            summary="Classifier selection from the generic model, trained for longer: what more "
            "training gives without prompts.",
        ),
        Component(
            kind="generator",
            name="ridge-selection",
            target="tina_generators.ridge:RidgeSelection",
            options="tina_generators.options_compared:RidgeSelectionOptions",
            summary="Classifier selection that predicts the rows of unseen classes from their "
            "prompts by kernel ridge regression: what text tells without a network.",
        ),
        Component(
            kind="generator",
            name="class-means",
            target="tina_generators.means:ClassMeans",
            options="tina_generators.options_compared:ClassMeansOptions",
            summary="Mean rows of each class over the ID tasks: ignores the rest of the task.",
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
            name="taper-mixer",
            target="tina_generators.taper:TaperMixer",
            options="tina_generators.options_compared:TaperMixerOptions",
            summary="TAPER: experts mixed by a network from the mean prompt (Section 5.1).",
        ),
        Component(
            kind="generator",
            name="taper",
            target="tina_generators.taper:Taper",
            options="tina_generators.options_compared:TaperOptions",
            summary="TAPER: mixing weights learned on the task's images; ID only (Section 5.1).",
        ),
        Component(
            kind="generator",
            name="retrieval",
            target="tina_generators.retrieval:Retrieval",
            options="tina_generators.options_compared:RetrievalOptions",
            summary="The p-Model of the nearest ID task: what pure memorisation would reach.",
        ),
        Component(
            kind="generator",
            name="tina-dit",
            target="tina_generators.tina_dit:TinaDiT",
            options="tina_generators.options:TinaDiTOptions",
            summary="Tina: a diffusion transformer over parameter tokens (Section 4).",
            version=4,
        ),
        Component(
            kind="generator",
            name="hypernetwork",
            target="tina_generators.hypernetwork:Hypernetwork",
            options="tina_generators.options:HypernetworkOptions",
            summary="Tina's transformer without diffusion: one step from prompts to parameters.",
            version=2,
        ),
    ]
