"""The results of a run, and the files in its folder that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tina_kit.pipeline.evaluations import evaluations, write_evaluations
from tina_kit.pipeline.examples import write_examples
from tina_kit.pipeline.facts import facts_of
from tina_kit.pipeline.plan import Plan
from tina_kit.pipeline.reporting import FILE as REPORT
from tina_kit.pipeline.reporting import html_report
from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.diagnosis.rules import diagnose
from tina_kit.report.facts import Facts
from tina_kit.report.page import page
from tina_kit.report.results import result_rows
from tina_kit.report.studies import StudyReport, plot_study, study_report
from tina_kit.report.table import Table, about
from tina_kit.store import write_json
from tina_kit.store.files import write_text


@dataclass(frozen=True)
class Results:
    """rows: of the table, as in `results.json`; studies: by name; about: on which images and with
    which prompts they were measured; evaluations: the counts of each task, as in
    `evaluations.json`; facts: these and more, which the rules of the diagnosis look at;
    diagnosis: what they found."""

    rows: list[dict[str, Any]]
    studies: dict[str, StudyReport]
    about: str
    evaluations: dict[str, Any]
    facts: Facts
    diagnosis: list[Finding]

    @property
    def table(self) -> Table:
        return Table(self.rows, self.about)


def results_of(plan: Plan) -> Results:
    """What was measured, once all stages are stored."""
    measured = evaluations(plan.experiments)
    counts = {name: list(seeds.values()) for name, seeds in measured["counts"].items()}
    bare = {row.name: row.component.entry.component.name for row in plan.recipe.generators}
    options = plan.recipe.core.evaluation
    rows = result_rows(counts, bare, options.average)
    notes = about(options.on, options.average, plan.recipe.conditioner.entry.full_name)
    studies = {
        name: study_report(name, run.study, run.measured(), notes, options.average)
        for name, run in plan.studies.items()
    }
    facts = facts_of(plan.experiments, rows, measured)
    return Results(rows, studies, notes, measured, facts, diagnose(facts))


def publish(results: Results, plan: Plan, folder: Path, record: Mapping[str, Any]) -> None:
    """Write the numbers first, then tables and pages, to the run folder. record: the content of
    `run.json`."""
    options, studies = plan.recipe.core.evaluation, results.studies
    whole = {
        "on": options.on,
        "average": options.average,
        "about": results.about,
        "generators": results.rows,
        "studies": {name: report.rows for name, report in studies.items()},
        "over_classes": list(results.facts.over_classes),
        "diagnosis": [finding.plain() for finding in results.diagnosis],
    }
    write_json(folder / "results.json", whole)
    write_evaluations(folder, results.evaluations)
    plan.runtime.observer.result(whole)
    for name, report in studies.items():
        plot_study(report, folder / "plots" / name)
    name, findings = plan.recipe.core.name, results.diagnosis
    text = page(name, record, results.rows, studies, results.about, findings)
    write_text(folder / "report.md", text)
    write_examples(plan.experiments[0].images, folder)
    text = html_report(
        folder, record, plan.experiments, results.facts, findings, studies, results.about
    )
    write_text(folder / REPORT, text)
