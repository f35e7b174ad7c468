"""The report of a sweep as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tina_kit.report.html import document, element, figure, paragraph, picture, section, table
from tina_kit.sweeps.axes import shown


def page(
    facts: Mapping[str, Any],
    rows: Sequence[Sequence[str]],
    caption: str,
    command: str,
    plot: Path,
) -> str:
    """facts: of `sweep.json`; rows: the table with its header; plot: an SVG file."""
    chosen = {
        "grid": "every combination of these values",
        "random": f"drawn at random, seed {facts['seed']}",
        "search": f"chosen by Optuna from the points before, seed {facts['seed']}",
    }[facts["method"]]
    varied = [("key", "values"), *((key, _values(each)) for key, each in facts["axes"].items())]
    chart = picture(plot.read_bytes(), "svg+xml", "a line for each point, across its values")
    return document(
        f"Sweep {facts['name']}",
        section(
            "What was varied", paragraph(f"{facts['recipe']}; points: {chosen}."), table(varied)
        ),
        section("Result", table(rows), paragraph(caption, soft=True)),
        section(
            "All points", figure(chart, "A line for each point; the darker, the higher its p-Acc.")
        ),
        section(
            "On test images",
            paragraph("The best point, measured on what it was not chosen by:"),
            paragraph(element("code", command)),
        ),
    )


def _values(values: Any) -> str:
    return values if isinstance(values, str) else ", ".join(map(shown, values))
