"""`doctor`: whether this machine and its plugins are fit, and what to do where they are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from tina_kit.cli.common import Strict, explain, is_strict
from tina_kit.cli.inspect import print_failures

if TYPE_CHECKING:
    from tina_kit.cli.checks import Finding
    from tina_kit.plugins import Registry


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    strict: Strict = False,
) -> None:
    """Check Python, packages, device, store, data and plugins; exit code 1 when what every recipe
    needs is broken."""
    from dataclasses import asdict

    from tina_kit.cli.checks import findings_of
    from tina_kit.cli.commands import examined

    found = examined(ctx)
    findings = findings_of(found)
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


def _print(findings: list[Finding], found: Registry) -> None:
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        print(f"{finding.state:<6}  {finding.topic.ljust(width)}  {finding.text}")
        if finding.remedy:
            print(f"{'':<6}  {'':<{width}}  {finding.remedy}")
    if found.failures:
        print()
        print_failures(found.failures)
