"""All rules, those about results that mean nothing first."""

from __future__ import annotations

from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.diagnosis.gains import collapsed, nothing_to_personalise, overfitted
from tina_kit.report.diagnosis.images import few_images, shared_images
from tina_kit.report.diagnosis.prompts import no_words, too_alike
from tina_kit.report.diagnosis.training import still_falling, undertrained
from tina_kit.report.diagnosis.trial import trial
from tina_kit.report.diagnosis.zoo import unaligned
from tina_kit.report.facts import Facts

RULES = (
    trial,
    collapsed,
    unaligned,
    no_words,
    too_alike,
    nothing_to_personalise,
    undertrained,
    overfitted,
    still_falling,
    few_images,
    shared_images,
)


def diagnose(facts: Facts) -> list[Finding]:
    """What the rules find, in their order."""
    return [finding for rule in RULES for finding in rule(facts)]
