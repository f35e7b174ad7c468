"""Rules about zoos."""

from __future__ import annotations

from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import Facts

ALIGNED = 0.5
"""The share of p-Models' squared length that is common to all, below which they do not descend from
one model: of n models that were trained apart it is about 1 / n."""


def unaligned(facts: Facts) -> Findings:
    """An imported zoo whose p-Models do not descend from one model, so that the same neuron means
    something else in each."""
    zoo = facts.zoo
    if zoo is None or zoo.p_models < 3 or zoo.common >= ALIGNED:
        return
    yield Finding(
        "unaligned-zoo",
        "bad",
        "The p-Models of the imported zoo are not aligned: the same neuron means something else in "
        "each, and their mean is no model.",
        f"What {zoo.p_models} of them have in common is {zoo.common:.0%} of their squared length; "
        "of p-Models that were fine-tuned from one model it is nearly all.",
        "Fine-tune all p-Models from one model, as a recipe without `zoo` does; permute the "
        "neurons of each to match one of them before the import; or train with neuron-permutation.",
    )
