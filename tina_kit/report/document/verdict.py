"""What the run shows, in a few sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tina_kit.recipe.schema import CHANCE, LARGEST
from tina_kit.report.facts import Facts
from tina_kit.report.results import PLUS, SELECTION, SHUFFLED
from tina_kit.report.table import Row, interval

_NEAR = 2.0  # points above guessing that are not worth a word


def verdict(facts: Facts) -> tuple[str, str, list[str]]:
    """("good", "note" or "bad"; the sentence that sums it up; more sentences)."""
    name = facts.main
    row = None if name is None else facts.row(name, facts.split)
    if name is None or row is None:
        rows = [each for each in facts.rows if each["split"] == facts.split]
        best = max(rows, key=lambda each: float(each["p_acc"]))
        summary = f"This run measures baselines alone; the best is {best['generator']}"
        return "note", f"{summary} with a p-Acc of {_told(best)}.", []
    level, summary = _against_selection(facts, name, row)
    return level, summary, list(_more(facts, name, row))


def _against_selection(facts: Facts, name: str, row: Row) -> tuple[str, str]:
    base, gain = facts.named(SELECTION), row.get("vs_selection")
    tasks = f"{row['tasks']:,} {facts.split.upper()} task{'s' * (row['tasks'] != 1)}"
    if base is None or not gain:
        return "note", f"{name} reaches a p-Acc of {_told(row)} on {tasks}."
    told = interval(abs(gain["mean"]), gain["ci95"])
    if not gain["ci95"]:
        more = interval(gain["mean"], None, sign=True)
        return "note", f"{name} differs from {base} by {more} points on {tasks}, too few to tell."
    if gain["ci95"][0] > 0:
        return "good", f"{name} is better than {base}, by {told} points on {tasks}."
    if gain["ci95"][1] < 0:
        return "bad", f"{name} is worse than {base}, by {told} points on {tasks}."
    more = interval(gain["mean"], gain["ci95"], sign=True)
    return "note", f"{name} is neither better nor worse than {base}: {more} points on {tasks}."


def _more(facts: Facts, name: str, row: Row) -> Iterator[str]:
    closed, gain = row.get("gap_closed"), row.get("vs_selection")
    better = bool(gain and gain["ci95"] and gain["ci95"][0] > 0)
    if better and closed and closed["mean"] is not None:
        bounds = closed["ci95"]
        within = f" [{bounds[0]:.0f}, {bounds[1]:.0f}]" if bounds else ""
        yield f"It closes {closed['mean']:.0f}%{within} of the gap to the oracle."
    wide = (facts.crossed(name, facts.split) or {}).get("vs_base")
    if better and wide and wide["ci95"]:
        low, high = wide["ci95"]
        holds = "This also holds" if low > 0 else "This need not hold"
        yield f"{holds} over other classes and images of this kind: [{low:+.1f}, {high:+.1f}]."
    longer, plus = row.get("vs_generic_plus"), facts.named(PLUS)
    if longer and plus:
        yield (
            f"Against {plus}, the same training spent on the generic model, it gains "
            f"{interval(longer['mean'], longer['ci95'], sign=True)} points."
        )
    yield from _controls(facts, name)
    prompts = row.get("from_prompts")
    if prompts and prompts["ci95"]:
        told = interval(prompts["mean"], prompts["ci95"], sign=True)
        if prompts["ci95"][0] > 0:
            yield f"What the prompts tell its shared layers is worth {told} points."
        else:
            yield f"That prompts tell its shared layers anything cannot be shown: {told} points."


def _controls(facts: Facts, name: str) -> Iterator[str]:
    """Whether it is the prompts that tell p-Models which classes are meant."""
    shuffled, floor = facts.row(name, SHUFFLED), _guessing(facts)
    if shuffled is None or floor is None:
        return
    told = f"With its prompts in a wrong order it falls to {shuffled['p_acc']:.1f}"
    guess = f"(guessing: {floor:.1f})"
    if shuffled["p_acc"] < floor + _NEAR:
        yield f"{told} {guess}: its p-Models do what their prompts say."
    else:
        yield f"{told} only {guess}: part of what it answers does not depend on the prompts."


def _guessing(facts: Facts) -> float | None:
    known = [row["p_acc"] for row in facts.rows if row["generator"] in (CHANCE, LARGEST)]
    return max(known) if known else None


def _told(row: Any) -> str:
    return interval(row["p_acc"], row["ci95"])
