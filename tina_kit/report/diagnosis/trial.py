"""A rule about runs that measure nothing."""

from __future__ import annotations

from tina_kit.report.diagnosis.finding import Finding, Findings
from tina_kit.report.facts import Facts

RULE = "trial"
TRIAL = "smoke"
"""The profile, by convention, with so little of everything that all stages take seconds."""


def trial(facts: Facts) -> Findings:
    """A run that only tries every stage, so that all other findings say nothing of the recipe."""
    if facts.profile == TRIAL:
        yield Finding(
            RULE,
            "bad",
            f"These figures mean nothing: the profile {TRIAL} only tries every stage.",
            "Its data, tasks and trainings are too small, and whatever else is found may be due to "
            "that.",
            "Run the recipe without it.",
        )
