"""The report of a run, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.report.diagnosis.finding import Finding
from tina_kit.report.studies import StudyReport
from tina_kit.report.table import Row, caption, markdown


def page(
    name: str,
    record: Mapping[str, Any],
    rows: Sequence[Row],
    studies: Mapping[str, StudyReport],
    about: str,
    findings: Sequence[Finding] = (),
) -> str:
    """The report as Markdown. record: the content of `run.json`; about: the images and prompts with
    which the rows were measured; findings: of the diagnosis. The studies' plots are expected in
    `plots/<name>.png`."""
    stages = [
        f"| {stage['name']} | `{stage['key']}` | {stage['state']} | "
        f"{'' if stage['seconds'] is None else format(stage['seconds'], '.1f')} |"
        for stage in record["stages"]
    ]
    hardware = record["hardware"]
    machine = hardware.get("gpu") or hardware.get("cpu") or hardware["machine"]
    lines = [
        f"# {name}",
        "",
        f"`{shlex.join(record['command'])}`",
        "",
        f"{record['started']}, tina-kit {record['tina_kit']}, {machine}, "
        f"{hardware['threads']} threads, {record['precision']}, "
        f"seeds {', '.join(map(str, record['seeds']))}.",
        "",
        markdown(rows),
        "",
        caption(rows, about),
        "",
        *(["## Diagnosis", "", *(f"- {finding}" for finding in findings), ""] if findings else []),
        *(line for key, study in studies.items() for line in _study(key, study)),
        "## Stages",
        "",
        "| stage | key | | seconds |",
        "| --- | --- | --- | ---: |",
        *stages,
    ]
    return "\n".join(lines) + "\n"


def _study(name: str, study: StudyReport) -> list[str]:
    return [study.markdown(), f"![{study.title}](plots/{name}.png)", ""]
