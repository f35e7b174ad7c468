"""The report of a sweep as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tina_kit.report.html import (
    document,
    element,
    figure,
    notice,
    paragraph,
    picture,
    section,
    table,
)
from tina_kit.sweeps.axes import shown


def page(
    facts: Mapping[str, Any],
    verdict: str,
    rows: Sequence[Sequence[str]],
    runs: Sequence[str | None],
    caption: str,
    command: str,
    plot: Path,
) -> str:
    """facts: of `sweep.json`; rows: the table with its header; runs: for each of its lines the run
    folder, below the sweep's, if it has a report; plot: an SVG file."""
    chosen = {
        "grid": "every combination of these values",
        "random": f"drawn at random, seed {facts['seed']}",
        "search": f"chosen by Optuna from the points before, seed {facts['seed']}",
    }[facts["method"]]
    varied = [("key", "values"), *((key, _values(each)) for key, each in facts["axes"].items())]
    chart = picture(plot.read_bytes(), "svg+xml", "a line for each point, across its values")
    head, *lines = rows
    linked = [head, *((_link(line[0], run), *line[1:]) for line, run in zip(lines, runs))]
    return document(
        f"Sweep {facts['name']}",
        notice(verdict),
        section(
            "What was varied", paragraph(f"{facts['recipe']}; points: {chosen}."), table(varied)
        ),
        section("Result", table(linked), paragraph(caption, soft=True)),
        section(
            "All points",
            figure(
                chart,
                "A line for each point. Orange and thick: the best; blue: the others, the darker, "
                "the higher their p-Acc.",
            ),
        ),
        section(
            "On test images",
            paragraph("The best point, measured on what it was not chosen by:"),
            paragraph(element("code", command)),
        ),
    )


def _link(number: str, run: str | None) -> str:
    """The number of a point, which leads to the report of its run."""
    return number if run is None else element("a", number, href=f"{quote(run)}/report.html")


def _values(values: Any) -> str:
    return values if isinstance(values, str) else ", ".join(map(shown, values))
