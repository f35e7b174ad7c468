"""A list of runs as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.report.table import flat, interval

Facts = Mapping[str, Any]


def run_list(rows: Sequence[Facts]) -> list[tuple[str, ...]]:
    """A header and lines of cells. rows: see `RunFolder.facts`."""
    head = ("run", "started (UTC)", "status", "seeds", "generator", "p-Acc", "vs selection")
    optional = {"commit": _commit, "tags": _tags}
    shown = {name: of for name, of in optional.items() if any(map(of, rows))}
    lines = [(*head, *shown)]
    for row in rows:
        more = (of(row) for of in shown.values())
        lines.append((str(row["folder"]), *_when(row), *_figure(row["figure"]), *more))
    return lines


def flat_row(row: Facts) -> dict[str, Any]:
    """For CSV and frames: lists as text, and the key figure in columns of its own."""
    figure = row["figure"] or dict.fromkeys(("generator", "split", "p_acc", "ci95"))
    plain = {key: value for key, value in row.items() if key != "figure"}
    texts = {key: " ".join(map(str, row[key])) for key in ("seeds", "tags")}
    gain = figure.get("vs_selection") or {"mean": None, "ci95": None}
    return {**plain, **texts, **flat({**figure, "vs_selection": gain})}


def _when(row: Facts) -> tuple[str, str, str]:
    seeds = ", ".join(map(str, row["seeds"]))
    return str(row["started"])[:16].replace("T", " "), row["status"], seeds


def _figure(figure: Facts | None) -> tuple[str, str, str]:
    if figure is None:
        return "", "", ""
    gain = figure["vs_selection"]
    name = figure["generator"] if figure["split"] == "ood" else f"{figure['generator']} (ID)"
    return (
        name,
        interval(figure["p_acc"], figure["ci95"]),
        interval(gain["mean"], gain["ci95"], sign=True) if gain else "",
    )


def _commit(row: Facts) -> str:
    return f"{row['commit'][:8]}{'+' if row['dirty'] else ''}" if row["commit"] else ""


def _tags(row: Facts) -> str:
    return " ".join(row["tags"])
