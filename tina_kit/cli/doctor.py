"""`doctor`: whether this machine and its plugins are ready to run recipes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.cli.common import examined, explain, is_strict, print_failures
from tina_kit.cli.layout import print_rows
from tina_kit.cli.options import Json, Strict

if TYPE_CHECKING:
    from tina_kit.pipeline.findings import Finding
    from tina_kit.plugins import Registry


def doctor(
    ctx: typer.Context,
    as_json: Json = False,
    strict: Strict = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="ray[://ADDRESS]", help="Check every node of a Ray cluster, too."),
    ] = None,
) -> None:
    """Check this machine and the installed plugins.

    Looks at Python, packages, device, store, data and plugins; with --on, also whether the nodes of
    a cluster have the same ones. The exit code is 1 if something is
    broken that every recipe needs.
    """
    from tina_kit.library import findings_with

    found = examined(ctx)
    findings = findings_with(found, on)
    if as_json:
        facts = {
            "findings": [asdict(finding) for finding in findings],
            "plugins": [failure.facts() for failure in found.failures],
        }
        print(json.dumps(facts, indent=2))
    else:
        _print(findings, found)
    explain(found.failures)
    failed = is_strict(strict) and any(failure.left_out for failure in found.failures)
    if failed or any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


def _print(findings: Sequence[Finding], found: Registry) -> None:
    table = []
    for finding in findings:
        table.append((finding.state, finding.topic, finding.text))
        if finding.remedy:
            table.append(("", "", finding.remedy))
    print_rows(table)
    if found.failures:
        print()
        print_failures(found.failures)
