"""A list of runs as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tina_kit.report.amounts import moment
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


def described(facts: Facts) -> list[tuple[str, str]]:
    """What is worth knowing of a run, with its name. facts: see `RunFolder.details`."""
    computed = [stage for stage in facts["stages"] if stage.get("state") == "computed"]
    seconds = sum(stage.get("seconds") or 0 for stage in computed)
    commit = f"{facts['commit'] or ''}{' with changes' if facts['dirty'] else ''}"
    hardware = facts["hardware"] or {}
    machine = [facts["device"], hardware.get("gpu") or hardware.get("cpu"), facts["precision"]]
    lines = [
        ("folder", facts["folder"]),
        ("name", facts["name"]),
        ("status", facts["status"]),
        ("error", facts["error"] or ""),
        ("started", f"{facts['started']} (UTC)"),
        ("ended", facts["ended"] or ""),
        ("seeds", ", ".join(map(str, facts["seeds"]))),
        ("tags", ", ".join(facts["tags"])),
        ("note", facts["note"]),
        ("stages", f"{len(facts['stages'])}, {len(computed)} of them computed in {seconds:.0f} s"),
        ("on", ", ".join(str(each) for each in machine if each)),
        ("commit", commit),
        ("store", facts["store"] or ""),
        ("command", " ".join(facts["command"] or ())),
    ]
    return [(key, text) for key, text in lines if text]


def _when(row: Facts) -> tuple[str, str, str]:
    seeds = ", ".join(map(str, row["seeds"]))
    return moment(str(row["started"])), row["status"], seeds


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
