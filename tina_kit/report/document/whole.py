"""The whole page."""

from __future__ import annotations

from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.diagnosis.trial import RULE as TRIAL_RULE
from tina_kit.report.document.data import data
from tina_kit.report.document.details import details, trainings
from tina_kit.report.document.method import lead, method
from tina_kit.report.document.origin import origin
from tina_kit.report.document.results import key_figures, results, studies
from tina_kit.report.document.source import Source
from tina_kit.report.document.verdict import verdict
from tina_kit.report.html import Markup, document, notice, paragraph, section, side_by_side


def report(source: Source) -> str:
    """The report as HTML."""
    level, summary, more = verdict(source.facts)
    bad = [finding for finding in source.findings if finding.level == "bad"]
    if bad and bad[0].rule == TRIAL_RULE:
        level, summary, more = "bad", bad.pop(0).what, [summary, *more]
    if doubts := [finding.what for finding in bad]:
        more = [*more, "But see the diagnosis:", *doubts]
    if source.validating:
        more = [*more, "Measured on held-out training images, for choosing options."]
    return document(
        source.name,
        lead(source),
        key_figures(source),
        notice(summary, paragraph(" ".join(more)), level=level),
        method(source),
        results(source),
        diagnosis(source),
        *studies(source),
        details(source),
        data(source),
        trainings(source),
        origin(source),
    )


def diagnosis(source: Source) -> Markup:
    found = source.findings
    if not found:
        return section("Diagnosis", paragraph("No rule found anything to object to."))
    return section("Diagnosis", side_by_side(*map(_box, found)))


def _box(finding: Finding) -> Markup:
    remedy = paragraph(finding.remedy)
    return notice(finding.what, paragraph(finding.evidence), remedy, level=finding.level)
